# The same, and it cannot even record that: the arbiter is asked.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 3s
disk b failing
sight b disk bad
run 1s
expect a ALONE Ready
disk b good
sight b disk good
until b SECOND Ready 30s
