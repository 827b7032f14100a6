# A stop script fails, then its force pass too: the control group is killed.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
fail a stop_prim 2
command a swap
until b ALONE Ready 2s
until a SECOND Ready 5s
