# Arbiter `operator`: the primary dies, a person makes the other primary.
arbiter operator
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill a
run 5s
expect b WAIT NotReady
status b
command b prim
command b prim force
until b ALONE Ready 2s
boot a
until a SECOND Ready 8s
