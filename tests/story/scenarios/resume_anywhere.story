# evenkeeld is killed in the middle of things, and goes on there: handed over and not yet taken,
# promoted and not yet told, told to stop, being brought up to date, recorded and not yet told.
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
kill-daemon a
run 50ms
boot a
until b ALONE Ready 2s
until a SECOND Ready 5s
run 1s

# while it is brought up to date
slow b on
command a stop
until a STOP NotReady 2s
command a start
run 1s
expect a SECOND Transient
kill-daemon a
run 100ms
boot a
until a SECOND Ready 8s
run 1s

# while it stops
command b stop
run 2ms
kill-daemon b
run 100ms
boot b
until a ALONE Ready 4s
until b STOP NotReady 2s

# the primary recorded that it is alone, and its daemon died before it could say so
slow b off
command b start
until b SECOND Ready 5s
run 1s
fs a peer_lost
run 40ms
kill-daemon a
run 100ms
boot a
until a ALONE Ready 2s
until b SECOND Ready 5s
