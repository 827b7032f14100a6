# The primary's machine dies under load; the other takes over; the dead one returns; swap back.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill a
until b ALONE Ready 3s
status b

# It returns, is brought up to date while the application runs, and becomes secondary.
boot a
until a SECOND Ready 8s
until b PRIM Ready 1s

# Back to where it was, the command given on the node that does not serve.
command a swap
until a ALONE Ready 2s
until b SECOND Ready 5s
until a PRIM Ready 1s
