# Stream and beats are both down: the peer cannot say anything, so the arbiter is asked.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
freeze b
fs a peer_lost
until a ALONE Ready 3s
run 3s
thaw b
until b SECOND Ready 8s
