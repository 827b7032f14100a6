# What was not observed yet is not promised: the other node's evenkeeld has just been started.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
status b
run 2s
status a
kill-daemon b
boot b
run 500ms
status a
run 1500ms
status a
