# The state disk of the secondary hangs when the primary dies: the intent, without which the arbiter may not be asked, is durable too late.
# The service is not taken, and status says why and what to do; not that the ping target was silent.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
sight b state bad
disk b stuck
run 1s
status a
status b
kill a
run 1700ms
status b
run 3s
status b
disk b good
sight b state good
run 3s
expect b WAIT NotReady
status b
command b prim force
until b ALONE Ready 3s
