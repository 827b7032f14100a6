# The start script fails again and again: given up after three repairs, until a person starts it.
module kind single
module checks 1
boot a
fail a start_both 9
command a start
until a WAIT NotReady 5s
status a
run 3s
command a restart
fail a start_both 0
command a start
until a UP Ready 2s

# The counter began anew.
fail a start_both 2
check a down
until a UP Ready 5s

# Given up, then stopped.
fail a start_both 9
check a down
until a WAIT Transient 3s
status a
until a WAIT NotReady 3s
command a stop
until a STOP NotReady 2s
fail a start_both 0
command a start
until a UP Ready 2s
