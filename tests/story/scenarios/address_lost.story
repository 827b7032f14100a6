# Somebody removes the service address, then another machine uses it: it is put back at once.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
address a gone
address a taken
address a failed
expect a PRIM Ready
