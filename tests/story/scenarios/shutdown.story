# The service manager stops the primary's daemon: all modules leave in order, and will run again.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
shutdown a
until b ALONE Ready 1s
until a STOP NotReady 2s
kill a
run 3s
boot a
until a SECOND Ready 8s
