# The same, heard again before it has stepped down by itself: it gives way at once, whatever its disk does.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
disk a stuck
cut a
cut b
client cut
stream cut
until b ALONE Ready 5s
heal a
heal b
client heal
stream heal
run 1s
status a
disk a good
until a SECOND Ready 20s
