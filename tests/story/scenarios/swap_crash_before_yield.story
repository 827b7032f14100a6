# Swap: the peer dies while the old primary still drains. It never stopped being the holder.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
command a swap
run 15ms
kill b
until a ALONE Ready 6s
