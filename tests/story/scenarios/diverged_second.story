# The same, decided on the node that gives way.
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
command a prim force
until a ALONE Ready 3s
boot b
run 3s
expect b WAIT NotReady
command b second
command b second force
until b SECOND Ready 8s
