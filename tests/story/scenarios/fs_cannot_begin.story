# evenkeel-fs dies, and none that is started next comes as far as a hello: said once, and status says why.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
fs b died
run 100ms
fs b died again
run 100ms
fs b died again
status b
run 300ms
fs b died again
run 500ms
fs b is_secondary
run 1s
status b
expect b SECOND Ready
