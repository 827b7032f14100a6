# `evenkeel stop` on a primary whose state disk hangs, so that nothing is handed over; its stop script takes long, and
# meanwhile it is not heard any more. Before the other node may take over it answers nothing, and its application and
# address are gone.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
lasts a stop_prim 60s
disk a stuck
command a stop
run 4s
status a
cut a
cut b
client cut
stream cut
target a off
until b ALONE Ready 5s
status a
run 1s
disk a good
heal a
heal b
client heal
stream heal
target a on
until a STOP NotReady 20s
