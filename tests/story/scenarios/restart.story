# The application is restarted, then a check fails: a repair.
module checks 1
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
command a restart
until a PRIM Transient 100ms
until a PRIM Ready 1s
check a down
until a PRIM Transient 100ms
until a PRIM Ready 1s
command a start
command a prim
command b second
command b prim
