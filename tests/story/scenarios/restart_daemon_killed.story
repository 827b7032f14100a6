# evenkeeld is killed while the stop script of a restart runs: its successor goes on with the restart, it does not call the
# half-stopped application ready.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
command a restart
kill-daemon a
boot a
run 100ms
until a PRIM Ready 5s
