# Both lose power at once, both copies are good: the last holder serves again.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill a
kill b
run 1s
boot b
run 3s
expect b WAIT NotReady
status b
boot a
until a ALONE Ready 5s
until b SECOND Ready 8s
