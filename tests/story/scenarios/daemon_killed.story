# evenkeeld is killed on the primary, then on the secondary: nothing is stopped, nothing starts again.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill-daemon a
run 100ms
boot a
run 3s
expect a PRIM Ready
expect b SECOND Ready
kill-daemon b
run 100ms
boot b
run 3s
expect a PRIM Ready
expect b SECOND Ready
