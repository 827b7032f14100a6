# The source dies while the other is being brought up to date: a mixture never serves by itself.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill b
until a ALONE Ready 4s
slow a on
boot b
run 3s
expect b SECOND Transient
kill a
run 5s
expect b WAIT NotReady
status b
command b prim
boot a
until b SECOND Ready 15s
