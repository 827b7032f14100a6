# The copies are compared: equal, then not. That copy does not take over before it was brought up to date.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 3s
verified a 0
run 1s
expect a PRIM Ready
observed a
slow a on
verified a 2
run 1s
expect a ALONE Ready
status a
observed a
until b SECOND Ready 20s
run 1s
status a
