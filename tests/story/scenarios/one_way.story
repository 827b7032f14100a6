# Only one direction breaks. Neither has two-way beats: the primary holds and asks first.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
cut b
run 4s
expect a ALONE Ready
heal b
until b SECOND Ready 8s
