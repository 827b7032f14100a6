# A check fails while answers are held: that is not its fault, but if it fails afterwards as well, it is heard.
arbiter operator
module checks 1
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
cut b
run 1700ms
check a down
heal b
run 1s
expect a PRIM Ready
check a down
run 1s
