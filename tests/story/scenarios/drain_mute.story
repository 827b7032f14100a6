# evenkeel-fs hangs when everything is to be made durable for a swap: the service comes back here. For a stop it does not: the
# directory is taken away, and the other node serves.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
fs-mute a on
command a swap
run 30s
status a
until a PRIM Ready 60s
command a stop
until b ALONE Ready 90s
status a
