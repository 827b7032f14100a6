# The same while its primary is silent: it does not claim, and a person is asked, whoever returns.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill a
run 1600ms
fs b died
run 100ms
fs-logs b lost
fs b is_secondary
run 5s
expect b WAIT NotReady
status b
boot a
run 5s
expect a WAIT NotReady
expect b WAIT NotReady
status a
status b
command b start
until b PRIM Ready 10s
until a SECOND Ready 1s
