# Swap: the old primary dies right after its record; the other saw it or takes over by the arbiter.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
command a swap
run 24ms
kill a
until b ALONE Ready 6s
boot a
until a SECOND Ready 8s
