# A person forces the stale copy. What the other one acknowledged is not lost silently: it waits.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill a
until b ALONE Ready 3s
run 1s
kill b
boot a
run 3s
command a prim
command a prim force
until a ALONE Ready 3s
boot b
run 3s
expect b WAIT NotReady
status b
status a

# The person decides on the node that serves; the other tree is set aside whole.
command a prim
command a prim force
until b SECOND Ready 8s
