# A module without a stop script, or whose stop script leaves processes: they are ended before it is called stopped, and
# before a repair starts the application again. What not even SIGKILL ends is said, and nothing is started beside it.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
left a on
command a restart
until a PRIM Ready 5s
left a stuck
command a stop
run 6s
status a
left a off
until a STOP NotReady 10s
