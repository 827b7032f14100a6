# Another machine answers at the service address: nobody starts there, and the sentence names it.
foreign a on
boot a
boot b
command a start
command b start
run 500ms
command a prim
run 2s
expect a WAIT NotReady
status a
foreign a off
command a prim
until b SECOND Ready 10s
