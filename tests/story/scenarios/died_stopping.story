# evenkeel-fs dies while it releases the directory: what it had not synced is not proven, so the release is not clean.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until a PRIM Ready 5s
command b stop
until b STOP NotReady 5s
command a stop
run 15ms
fs a died
until a STOP NotReady 5s
