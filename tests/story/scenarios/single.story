# A module on one node: started, checked, repaired, stopped. Commands of a pair are refused.
module kind single
module checks 1
boot a
status a
command a start
until a UP Ready 2s
status a
command a start
command a swap
command a prim
command a second

# A check fails: everything down, then up again.
check a down
until a UP Transient 1s
status a
until a UP Ready 2s
command a restart
until a UP Ready 2s
address a gone
run 1s
command a stop
until a STOP NotReady 2s
status a
command a stop
command a restart
