# The primary crashed and came back, so its copy may lack what lies here, on a node commanded second. Stopping this node gives the service away to nobody.
arbiter operator
boot a
boot b
command a start
command b second
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill a
run 3s
boot a
run 1s
command b stop
until b STOP NotReady 5s
run 3s
status a
expect a WAIT NotReady
command b start
until b ALONE Ready 5s
until a SECOND Ready 8s
