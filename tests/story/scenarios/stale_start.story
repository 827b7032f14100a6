# The old primary is started first, alone, after the other had gone on without it: it stays WAIT,
# says why and what to do, and `prim` says what would be lost before it obeys.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill a
until b ALONE Ready 3s
run 1s
kill b
boot a
run 3s
expect a WAIT NotReady
status a
command a prim
expect a WAIT NotReady

# The other returns: it was the only good one, so it serves, and the old one follows.
boot b
until b ALONE Ready 5s
until a SECOND Ready 8s
