# That copy is lost for good: a person insists on what lies in the directory now.
boot a
command a start
run 3s
command a prim force
until a ALONE Ready 5s
kill a
fs-wrong a on
boot a
run 4s
expect a WAIT NotReady
command a prim force
until a ALONE Ready 5s
