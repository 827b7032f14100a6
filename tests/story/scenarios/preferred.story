# A preferred primary gets the service back by itself, after it was brought up to date (B4).
module preferred a
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill a
until b ALONE Ready 4s
boot a
until b PRIM Ready 8s
run 9s
expect b PRIM Ready
until a PRIM Ready 5s
