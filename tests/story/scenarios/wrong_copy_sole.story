# The same for the only good copy: it waits, also when told to start again, until its disk is there or a person insists.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill b
until a ALONE Ready 5s
kill a
fs-wrong a on
boot a
boot b
run 4s
expect a WAIT NotReady
expect b WAIT NotReady
status a
status b
command a start
run 3s
expect a WAIT NotReady
command a second
command a prim
run 3s
expect a WAIT NotReady
fs-wrong a off
command a start
until a PRIM Ready 5s
until b SECOND Ready 1s
