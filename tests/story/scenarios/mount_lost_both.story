# Somebody unmounts the directory on both nodes: neither can take over for the other. Nothing is started where nobody replicates it, although the
# other copy is lost and back before the next look: each is mounted anew first.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 3s
sight b mount bad
sight a mount bad
run 30ms
sight a mount good
sight b mount good
until a ALONE Ready 10s
until b SECOND Ready 20s
run 2s
status a
