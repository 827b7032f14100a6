# The primary's disk hangs without an error. First it is only late.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 3s
sight a disk late
run 2s
expect a PRIM Ready
status a
sight a disk bad
until b ALONE Ready 2s
status a
# Its disk answers again: it follows, and does not get the service back.
run 4s
sight a disk good
until a SECOND Ready 20s
run 20s
expect b PRIM Ready
