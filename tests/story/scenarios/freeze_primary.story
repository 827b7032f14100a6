# The primary's machine stands still for five seconds. The other takes over; when it wakes it holds
# its answers at once, hears that it lost, and is fenced.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
freeze a
until b ALONE Ready 5s
run 2s
thaw a
run 100ms
until a SECOND Ready 8s
