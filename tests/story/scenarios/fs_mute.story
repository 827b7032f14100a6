# evenkeel-fs hangs when it is to serve, and when it is to stop: status says what is waited for.
boot a
boot b
command a start
command b start
run 500ms
fs-mute a on
command a prim
run 3s
status a
command a stop
run 3s
status a
