# The same, and it served in a later epoch: both have writes that the other does not have, so a person decides again, and
# what he says is done.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill a
until b ALONE Ready 5s
kill b
fs-wrong b on
boot a
boot b
run 4s
command a prim force
until a ALONE Ready 3s
command a stop
until a STOP NotReady 3s
kill a
kill b
fs-wrong b off
boot b
until b ALONE Ready 5s
kill b
boot b
until b ALONE Ready 5s
kill b
boot a
boot b
run 3s
command a start
run 10s
expect a WAIT NotReady
expect b WAIT NotReady
status a
status b
command a prim
run 3s
expect a WAIT NotReady
command a prim force
until a PRIM Ready 5s
until b SECOND Ready 1s
