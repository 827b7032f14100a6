# evenkeeld is restarted while the other node is silent: it does not know for how long, so it holds
# answers, asks nobody, and steps down; the other node's return ends it.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill b
run 1s
kill-daemon a
run 100ms
boot a
run 13s
expect a WAIT NotReady
status a
boot b
until a ALONE Ready 8s
until b SECOND Ready 8s
