# The state file cannot be written when the service is to be handed over: it stays where it is.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
disk a failing
command a swap
run 3s
expect a PRIM Ready
status a
disk a good
command a swap
until b PRIM Ready 5s
until a SECOND Ready 5s
