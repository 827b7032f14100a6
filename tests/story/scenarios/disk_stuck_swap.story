# The state disk hangs over the record that hands over: the old primary lets go all the same, and the other serves.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
disk a stuck
command a swap
until b ALONE Ready 10s
status a
disk a good
until a SECOND Ready 20s
