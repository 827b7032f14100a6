# Only the secondary reaches it: the primary holds answers, lets go of the address, steps down.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
target a off
cut a
cut b
client cut
run 4s
expect a PRIM Transient
status a
expect b ALONE Ready
run 8s
expect a WAIT NotReady
status a
heal a
heal b
client heal
until a SECOND Ready 8s
