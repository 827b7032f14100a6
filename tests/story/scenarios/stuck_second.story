# The disk of the node that follows hangs: writes must not wait for it.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 3s
sight b disk bad
run 300ms
expect a ALONE Ready
status a
status b
# No attempt costs an epoch meanwhile.
run 60s
status b
sight b disk good
until b SECOND Ready 20s
status a
