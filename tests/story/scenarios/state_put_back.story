# The state of a is put back to when it was alone, its data are the newest that were there. It does not serve by itself, whatever
# it is told without --force; b, which took over since, does, and a is set aside before it follows.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill b
until a ALONE Ready 5s
keep a
boot b
until b SECOND Ready 8s
kill a
until b ALONE Ready 8s
run 1s
kill b
put-back a
boot a
run 5s
expect a WAIT NotReady
status a
command a prim
command a start
run 3s
expect a WAIT NotReady
boot b
until b PRIM Ready 9s
until a SECOND Ready 1s
