# The beats stop on all networks, but the other node still answers at the service address: it lives, so
# the secondary waits (R3) until the primary, without a word of the arbiter, lets go of the address.
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
run 1700ms
expect b WAIT NotReady
status b
until b ALONE Ready 1s
heal a
heal b
until a SECOND Ready 8s
