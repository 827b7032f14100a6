# evenkeel-fs dies and its successor goes on; when none comes, the other node takes over.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
fs a died
run 200ms
fs a is_primary
run 1s
expect a PRIM Ready
fs a died
until b ALONE Ready 12s
