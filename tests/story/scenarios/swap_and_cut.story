# Swap, and the network breaks right after the old primary's record; it returns before anybody asked.
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
command a swap
run 24ms
cut a
cut b
run 1900ms
heal a
heal b
until b ALONE Ready 2s
until a SECOND Ready 5s
