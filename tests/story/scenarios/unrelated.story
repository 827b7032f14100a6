# Two nodes with data sets of their own under one name: neither is overwritten by itself.
boot a
command a start
run 2100ms
command a prim force
until a ALONE Ready 2s
kill a
boot b
command b start
run 2100ms
command b prim force
until b ALONE Ready 2s
boot a
run 4s
expect b ALONE Ready
expect a WAIT NotReady
status a
command b prim
command b prim force
until a SECOND Ready 8s
