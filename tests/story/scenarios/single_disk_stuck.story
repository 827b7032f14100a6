# A single whose state disk hangs: started, checked, stopped as ever; status says what hangs.
module kind single
boot a
disk a stuck
command a start
until a UP Ready 1s
run 3s
status a
command a stop
until a STOP NotReady 1s
kill-daemon a
boot a
run 1s
expect a STOP NotReady
