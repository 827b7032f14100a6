# Stopped while it waits, while it is brought up to date, while it brings up to date, while it prestarts.
module script prestart
boot a
command a start
run 3ms
command a stop
until a STOP NotReady 1s
command a start
run 3s
command a stop
until a STOP NotReady 1s
boot b
command a start
command b start
run 500ms
command a prim
slow a on
until b SECOND Transient 5s
run 100ms
command b stop
until b STOP NotReady 1s
run 2s
command b start
run 1s
expect b SECOND Transient
command a stop
until a STOP NotReady 1s
run 3s
expect b WAIT NotReady
status b
