# It runs after a boot if it ran before (B6): after a shutdown in order, and after a power cut.
module kind single
boot a
command a start
until a UP Ready 2s
shutdown a
until a STOP NotReady 2s
kill-daemon a
boot a
until a UP Ready 2s
kill a
run 1s
boot a
until a UP Ready 2s
command a stop
until a STOP NotReady 2s
kill a
run 1s
boot a
run 1s
expect a STOP NotReady
