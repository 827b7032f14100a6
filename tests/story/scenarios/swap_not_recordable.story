# The disk of a state folder does not answer: a swap, which ends in a record, is refused at once, on both nodes, whichever of them it is;
# nothing is stopped. One that is only late is waited for, and the application runs on until it answers.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
sight a state bad
run 1s
command a swap
command b swap
run 1s
expect a PRIM Ready
sight a state good
sight b state bad
run 1s
command a swap
command b swap
run 1s
expect a PRIM Ready
sight b state good
run 1s
sight a state late
command a swap
run 2s
expect a PRIM Ready
sight a state bad
run 1s
sight a state good
run 1s
expect a PRIM Ready
sight a state late
command a swap
run 1s
sight a state good
until b PRIM Ready 5s
until a SECOND Ready 5s
