# The preferred node is to get the service back: not while a look at it is late.
module preferred a
boot a
boot b
command a start
command b start
run 500ms
command b prim
until a SECOND Ready 5s
sight a state late
run 15s
expect b PRIM Ready
sight a state good
until a PRIM Ready 15s
