# b is stopped, a serves alone and records it as stale; then an old image of the data of a is put back. Neither serves by itself, and both say
# that neither copy has all, also when both are there; a person decides.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
command b stop
until a ALONE Ready 5s
run 1s
kill a
fs-old a on
boot a
run 5s
expect a WAIT NotReady
status a
command b start
run 8s
expect a WAIT NotReady
expect b WAIT NotReady
status a
status b
command b prim
command b prim force
until b PRIM Ready 5s
until a SECOND Ready 1s
