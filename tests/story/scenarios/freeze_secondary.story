# The secondary stood still: it does not suspect others for what it missed itself (R16).
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
freeze b
run 1s
thaw b
run 1s
expect b SECOND Ready
expect a PRIM Ready
