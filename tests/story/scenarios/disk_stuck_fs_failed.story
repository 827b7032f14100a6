# State and data on one disk, which hangs for one and fails for the other: the other node serves.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
disk a stuck
fs a local_failed
until b ALONE Ready 10s
status a
disk a good
run 2s
status a
