# Swap, and the stream to the other node breaks while the scripts stop, then while it drains: the old
# primary keeps the service; the other copy is dropped.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
command a swap
run 3ms
fs a peer_lost
until a ALONE Ready 1s
until b SECOND Ready 5s
run 1s
command a swap
run 12ms
fs a peer_lost
until a ALONE Ready 1s
until b SECOND Ready 5s
