# The target dies while it is being brought up to date: the primary does not stop for a moment.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill b
until a ALONE Ready 4s
slow a on
boot b
run 3s
expect b SECOND Transient
kill b
run 3s
expect a ALONE Ready
slow a off
boot b
until b SECOND Ready 10s
