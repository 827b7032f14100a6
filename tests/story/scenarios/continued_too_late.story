# The stream is lost while beats go on: the other node was asked to record itself stale. That the session goes on a
# moment later takes nothing back, neither while its word is awaited nor while answers are held.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
disk b failing
fs a peer_lost
fs a continued
run 50ms
expect a PRIM Transient
target a off
target b off
cut a
cut b
run 1900ms
fs a continued
heal a
heal b
run 100ms
disk b good
until b SECOND Ready 20s
until a PRIM Ready 1s
