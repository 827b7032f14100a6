# All processes of the secondary that kept what it had received die: it says so itself, and is brought up to date.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
fs b died
run 100ms
fs-logs b lost
fs b is_secondary
status b
until b SECOND Ready 5s
until a PRIM Ready 1s
expect b SECOND Ready
