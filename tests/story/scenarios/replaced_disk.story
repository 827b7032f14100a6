# The secondary's disk was replaced: no record, no data. It is filled anew.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill b
until a ALONE Ready 4s
wipe b
boot b
until b SECOND Ready 8s
