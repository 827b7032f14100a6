# The state file cannot be written: nothing that rests on it happens.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
disk b failing
kill a
run 5s
status b
disk b good
until b ALONE Ready 3s
