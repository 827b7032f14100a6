# The same, found out only after the claim: it does not serve before a person has said so.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
fs-logs b lost
kill a
run 8s
expect b WAIT NotReady
status b
boot a
run 5s
expect a WAIT NotReady
expect b WAIT NotReady
status a
command b start
until b PRIM Ready 10s
until a SECOND Ready 1s
