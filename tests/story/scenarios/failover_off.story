# Failover is switched off (B5): a person decides.
module failover off
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
status b
kill a
run 5s
expect b WAIT NotReady
status b
command b prim force
until b ALONE Ready 2s
