# The same without another copy: it is mounted anew here, and nobody has to do anything.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 3s
kill b
run 5s
expect a ALONE Ready
sight a mount bad
sight a mount good
until a ALONE Ready 5s
status a
# With the other one there, but not up to date yet.
slow a on
boot b
run 1500ms
sight a mount bad
sight a mount good
run 3s
until b SECOND Ready 20s
