# The same, and nobody took over since: a alone has what it acknowledged. b, good by its own record, hears how far the data of a
# got, and serves nothing older; a person says whose data count.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill a
kill b
keep a
boot a
until a WAIT NotReady 1s
run 4s
command a prim force
until a ALONE Ready 5s
run 1s
kill a
put-back a
boot a
boot b
run 8s
expect a WAIT NotReady
expect b WAIT NotReady
status a
status b
command b prim
command a prim
command a prim force
until a PRIM Ready 5s
until b SECOND Ready 1s
