# As operator_healed, but the stream does not follow the beats: the other copy is dropped then, and brought up to date.
arbiter operator
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
cut a
cut b
run 2s
fs a peer_lost
run 10s
heal a
heal b
run 1s
expect a PRIM Transient
until a PRIM Ready 3s
until b SECOND Ready 1s
