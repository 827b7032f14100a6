# While nobody is heard: what is written there is nobody's, so nothing runs on; then it is mounted anew.
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
run 1600ms
sight a mount bad
target b off
run 2s
sight a mount good
until a ALONE Ready 5s
