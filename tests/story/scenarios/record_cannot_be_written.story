# The state file cannot be written: nothing that rests on it happens. When it can, the first word of the ping target comes too late:
# the primary may have been granted, and have died since. A person says that this node goes on.
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
run 3s
expect b WAIT NotReady
status b
command b prim
command b prim force
until b ALONE Ready 3s
