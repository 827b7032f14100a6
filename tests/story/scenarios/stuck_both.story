# The disks of both hang: nobody hands over to a copy that cannot serve either.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 3s
sight b disk late
run 300ms
sight a disk bad
run 1s
expect a PRIM Ready
status a
# The other one counts no more; this node keeps the service, and says what it waits for.
sight b disk bad
run 1s
expect a ALONE Ready
status a
status b
run 30s
sight a disk good
sight b disk good
until b SECOND Ready 20s
run 1s
status a
