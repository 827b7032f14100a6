# Swap: the peer dies after it was named holder. The old primary serves again only by the arbiter.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
command a swap
run 35ms
kill b
until a ALONE Ready 6s
