# The disk of the state folder hangs: everything goes on, but no failover is possible.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 3s
sight b state bad
run 1s
expect a PRIM Ready
status a
status b
sight b state good
sight a state bad
status a
