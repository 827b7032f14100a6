# A new module: both nodes wait until a person says whose data count (R17).
boot a
boot b
command a start
command b start
run 3s
expect a WAIT NotReady
status a
command a prim
until a ALONE Ready 2s
until b SECOND Ready 5s
until a PRIM Ready 1s
status a
status b
