# A node commanded second never serves by itself: the other does, although it was not the holder.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
command b stop
until b STOP NotReady 3s
command a stop
until a STOP NotReady 3s
command a second
command b second
run 3s
expect a WAIT NotReady
status a
command a start
until a ALONE Ready 3s
until b SECOND Ready 8s
