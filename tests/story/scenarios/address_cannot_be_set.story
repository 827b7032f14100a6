# The interface of the address is gone for good: the service goes where it can be reached.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 3s
sight a address late
run 1s
expect a PRIM Ready
sight a address bad
until b PRIM Ready 5s
status b
# It cannot come back as long as that is so.
run 30s
status b
# Nowhere: this node keeps it, and says so.
sight b address bad
run 5s
expect b PRIM Ready
status b
