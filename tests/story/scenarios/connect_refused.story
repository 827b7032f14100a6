# The primary cannot connect to the copy that is to be brought up to date: it serves on, and tries again.
boot a
boot b
command a start
command b start
run 500ms
stream cut
command a prim
until a ALONE Ready 5s
until b SECOND Transient 5s
run 100ms
fs a refused
run 2s
expect a ALONE Ready
stream heal
until a PRIM Ready 15s
