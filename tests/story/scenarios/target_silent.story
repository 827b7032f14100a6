# The ping target does not answer: `status` had said that no failover is possible; none happens.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
target b off
status b
kill a
run 6s
expect b WAIT NotReady
status b
boot a
until b PRIM Ready 10s
until a SECOND Ready 1s
