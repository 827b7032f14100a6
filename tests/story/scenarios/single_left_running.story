# The same of a single: a repair does not start a second copy over what was left of the first.
module kind single
module checks 1
boot a
command a start
until a UP Ready 1s
left a stuck
check a down
run 3s
status a
left a off
until a UP Ready 10s
