# A person decides for one copy, and the other, which heard nothing of it, serves in the same epoch. When both meet
# it gives way; then the one that was decided for serves.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill a
until b ALONE Ready 5s
kill b
fs-wrong b on
boot a
boot b
run 4s
command a prim
command a prim force
until a ALONE Ready 3s
command a stop
until a STOP NotReady 3s
kill a
kill b
fs-wrong b off
boot b
until b ALONE Ready 5s
boot a
until b WAIT NotReady 3s
command a start
until a PRIM Ready 5s
until b SECOND Ready 1s
