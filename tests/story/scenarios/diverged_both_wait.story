# Both went on alone and both were stopped: neither starts by itself. `prim` on one decides.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
cut a
cut b
client cut
run 4s
expect a ALONE Ready
expect b ALONE Ready
kill a
kill b
heal a
heal b
client heal
boot a
boot b
run 4s
expect a WAIT NotReady
expect b WAIT NotReady
status a
command b prim
command b prim force
until b ALONE Ready 3s
until a SECOND Ready 8s
