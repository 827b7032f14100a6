# The secondary's evenkeel-fs finds, while it follows, that what lies in its directories is not this module's copy.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
fs b wrong_copy
until b WAIT NotReady 5s
until a ALONE Ready 5s
run 1s
status b
