# The stream is lost, the peer cannot say anything, and the ping target does not answer: held; when the
# network is back, the peer resigns and the primary goes on.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
target a off
target b off
cut b
fs a peer_lost
run 1s
expect a PRIM Transient
status a
run 700ms
heal b
until a ALONE Ready 1s
until b SECOND Ready 5s
