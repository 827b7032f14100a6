# While nobody is heard the mount is covered for a moment, and free again before this node may go on alone: the application, which was killed, is
# started again.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 3s
cut a
cut b
target a off
target b off
run 1500ms
sight a mount bad
run 50ms
sight a mount good
run 50ms
target a on
until a ALONE Ready 5s
run 2s
status a
