# The start script fails again and again: repaired three times, then the other node takes over.
module checks 1
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
fail a start_prim 9
check a down
until b ALONE Ready 3s
status a
until a SECOND Transient 3s
run 3s
status b

# There it fails as well: nobody is left.
fail b start_prim 9
check b down
run 3s
expect b WAIT NotReady
status b
command b start
