# Both good, the secondary restarts within the silence: not good until it was compared.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill b
run 500ms
boot b
until b SECOND Ready 10s
until a PRIM Ready 1s
