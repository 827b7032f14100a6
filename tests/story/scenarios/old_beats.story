# Somebody kept a beat of an earlier life of each node, and sends them again: nobody is turned away, nothing is held,
# and the failover that comes later comes in time. In the end both daemons are new, and what they hear first is old.
arbiter ping
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
record a
record b
kill-daemon a
kill-daemon b
run 100ms
boot a
boot b
run 3s
expect a PRIM Ready
expect b SECOND Ready
play a
play b
run 100ms
play a
play b
run 5s
expect a PRIM Ready
expect b SECOND Ready
status b
kill-daemon a
kill-daemon b
run 100ms
boot a
boot b
play a
play b
run 3s
expect a PRIM Ready
expect b SECOND Ready
kill a
play a
run 1s
play a
until b ALONE Ready 5s
