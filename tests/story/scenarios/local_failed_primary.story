# The primary's own disk fails, the other copy is good: it is handed over, without scripts.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
fs a local_failed
until b ALONE Ready 1s
run 3s
expect a WAIT NotReady
status a
command a start
until a SECOND Ready 5s
