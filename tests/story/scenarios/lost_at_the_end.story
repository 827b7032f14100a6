# The target is lost after it had everything, before it was called good: brought up to date again.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
command b stop
until b STOP NotReady 2s
command b start
until b SECOND Transient 1s
run 79ms
fs a peer_lost
until a ALONE Transient 100ms
until b SECOND Ready 5s
