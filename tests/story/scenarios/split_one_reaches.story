# All networks between the nodes break; only the primary reaches the ping target: it goes on alone.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
target b off
cut a
cut b
client cut
run 4s
expect a ALONE Ready
expect b WAIT NotReady
status a
status b
heal a
heal b
client heal
until b SECOND Ready 8s
