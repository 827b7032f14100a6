# Arbiter `operator`: nobody goes on without a person. The network returns: nothing was.
arbiter operator
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
cut a
cut b
run 20s
expect a PRIM Transient
expect b WAIT NotReady
status a
status b
heal a
heal b
until a PRIM Ready 1s
until b SECOND Ready 1s
