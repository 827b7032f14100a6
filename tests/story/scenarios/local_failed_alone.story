# The same without a good copy elsewhere: the service stops, and the sentence says why.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
command b stop
until b STOP NotReady 2s
fs a local_failed
run 3s
expect a WAIT NotReady
status a
