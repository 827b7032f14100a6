# The states of both are put back, to different days: neither serves by itself, a person says which of them does.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
keep a
kill a
until b ALONE Ready 8s
keep b
boot a
until b PRIM Ready 8s
kill b
until a ALONE Ready 8s
kill a
put-back a
put-back b
boot a
boot b
run 8s
expect a WAIT NotReady
expect b WAIT NotReady
status a
status b
command a prim
command a prim force
until a PRIM Ready 5s
until b SECOND Ready 1s
