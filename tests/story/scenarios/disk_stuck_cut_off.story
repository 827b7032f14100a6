# The state disk of the primary hangs, then its networks are cut, clients' included: it lets go of address and application
# in time all the same, unmounts, and the other node serves. Heard again, it waits for its disk and follows.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
disk a stuck
cut a
cut b
client cut
stream cut
target b on
run 3s
status a
until b ALONE Ready 5s
run 8s
status a
heal a
heal b
client heal
stream heal
run 5s
status a
disk a good
until a SECOND Ready 20s
until b PRIM Ready 20s
