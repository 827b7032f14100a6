# A module without scripts: each time its check fails counts, and in the end the other node serves.
module script none
module checks 1
module repairs 2
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
check a down
run 10s
check a down
run 10s
check a down
run 2s
expect b PRIM Ready
