# The beats stop on all networks, but the other node still answers at the service address: it lives,
# so the secondary waits (R3).
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
run 2500ms
expect b WAIT NotReady
status b
heal a
heal b
until b SECOND Ready 2s
until a PRIM Ready 2s
