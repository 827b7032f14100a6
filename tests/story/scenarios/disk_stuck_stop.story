# `evenkeel stop` on a primary whose state disk hangs: the application is stopped and the directory released; the
# other node serves. That it is stopped is on the disk when that answers.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
disk a stuck
command a stop
run 1s
status a
until b ALONE Ready 10s
status a
disk a good
until a STOP NotReady 5s
