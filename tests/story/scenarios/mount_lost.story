# Somebody unmounts the directory under the running primary; the other copy is good, and seen to be so.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 3s
status a
# The application may write into the plain folder: it is killed, and the other node serves.
sight a mount bad
until b ALONE Ready 2s
sight a mount good
until a SECOND Ready 20s
run 1s
status a
