# The secondary takes over; its daemon is killed between record and promotion, and goes on from there.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill a
until b ALONE Transient 4s
run 3ms
kill-daemon b
run 100ms
boot b
run 3s
status b
