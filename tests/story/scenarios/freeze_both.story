# Both stood still at once (an overloaded host): nothing happens.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
freeze a
freeze b
run 4s
thaw a
thaw b
run 2s
expect a PRIM Ready
expect b SECOND Ready
