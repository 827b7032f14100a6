# A new module, the other node is not heard: `prim` says what it may cost.
boot a
command a start
run 3s
status a
command a prim
command a prim force
until a ALONE Ready 2s
boot b
command b start
until b SECOND Ready 8s
