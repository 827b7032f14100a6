# The secondary's disk fails: it records itself stale at once, and tries again later.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
fs b local_failed
until a ALONE Ready 1s
until b SECOND Ready 15s
