# On the node that follows: nobody may write there, so its copy is compared before it counts again.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 3s
sight b mount bad
run 100ms
expect a ALONE Ready
sight b mount good
until b SECOND Ready 20s
