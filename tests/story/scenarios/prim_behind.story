# `prim` on the node that is not to serve, while the other one is about to: no race, but a sentence.
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
boot a
boot b
run 50ms
command b prim
until a ALONE Ready 5s
command b prim
