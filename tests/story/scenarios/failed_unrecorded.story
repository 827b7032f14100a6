# The primary's disk fails, and so does that of its state: the other node takes over all the same.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
disk a failing
fs a local_failed
until b ALONE Ready 5s
run 3s
status a
disk a good
run 3s
status a
kill b
run 5s
expect a WAIT NotReady
status a
