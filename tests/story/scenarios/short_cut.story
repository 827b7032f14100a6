# Beats are away for less than the silence: the primary holds answers, then nothing was.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
target a off
target b off
cut a
cut b
run 1800ms
expect a PRIM Transient
heal a
heal b
until a PRIM Ready 1s
until b SECOND Ready 1s
