# A planned stop of the primary hands over at once and waits for nothing.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
command a stop
until b ALONE Ready 1s
until a STOP NotReady 2s
status a
status b

# Started again it is brought up to date.
command a start
until a SECOND Ready 5s

# The rest is stopped, secondary first: then the primary is the only good one, and may start alone.
command a stop
until a STOP NotReady 3s
expect b ALONE Ready
command b stop
until b STOP NotReady 3s
command b start
until b ALONE Ready 3s
