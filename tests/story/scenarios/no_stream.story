# Beats arrive, but evenkeel-fs cannot connect: tried again, each time later, and in the same epoch.
stream cut
boot a
boot b
command a start
command b start
run 500ms
command a prim
run 5s
expect a ALONE Ready
stream heal
until b SECOND Ready 700s
