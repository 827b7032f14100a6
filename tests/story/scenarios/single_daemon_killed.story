# Our death is not the application's: a restarted daemon takes up what runs, and renews the address.
module kind single
module checks 1
boot a
command a start
until a UP Ready 2s
kill-daemon a
run 1s
boot a
until a UP Ready 1s
status a
check a down

# Killed in the middle of a repair: nothing runs, so it is started.
run 10ms
kill-daemon a
run 1s
boot a
until a UP Ready 2s

# Stopped: the next daemon does not start it again.
command a stop
until a STOP NotReady 2s
kill-daemon a
boot a
run 1s
expect a STOP NotReady
