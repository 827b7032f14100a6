# Arbiter `operator`: cut for so long that the stream is lost as well. The network returns, beats first; then the
# stream goes on where it was: nothing was, the other copy is not dropped.
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
expect a PRIM Transient
heal a
heal b
run 600ms
expect a PRIM Transient
fs a continued
until a PRIM Ready 100ms
until b SECOND Ready 1s
run 3s
expect a PRIM Ready
expect b SECOND Ready
