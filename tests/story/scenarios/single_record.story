# The state file cannot be written: the application runs all the same, and status says so.
module kind single
disk a failing
boot a
command a start
until a UP Ready 2s
run 2s
status a

# Killed before the record is durable: the successor knows all the same what was commanded.
kill-daemon a
run 1s
boot a
until a UP Ready 1s
disk a good
run 2s
status a

# A stop script that does not end well runs again with force.
fail a stop_both 1
command a stop
until a STOP NotReady 2s
