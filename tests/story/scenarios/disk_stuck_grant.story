# The primary is granted to go on alone, and its state disk hangs over the record: the grant grows old. Nothing was
# answered by it, so the service begins anew from the record, by itself.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill b
run 1300ms
disk a stuck
run 4s
status a
disk a good
until a ALONE Ready 20s
