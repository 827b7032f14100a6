# evenkeeld of a lone primary is killed, also while it brings the other up to date.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
command b stop
until b STOP NotReady 2s
kill-daemon a
run 100ms
boot a
until a ALONE Ready 1s
slow a on
command b start
run 1s
expect b SECOND Transient
kill-daemon a
run 100ms
boot a
until b SECOND Ready 10s
until a PRIM Ready 1s
