# The secondary's disk is full while beats go on: asked to drop itself, it records that and says so;
# the primary goes on without an arbiter. Three times in ten minutes, then it rests (R20).
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
fs a peer_failed
until a ALONE Ready 1s
until b SECOND Ready 5s
run 1s
fs a peer_lost
until b SECOND Transient 1s
until b SECOND Ready 5s
run 1s
fs a peer_lost
run 5s
expect a ALONE Ready
expect b SECOND Transient
status a
command a start
until b SECOND Ready 5s
