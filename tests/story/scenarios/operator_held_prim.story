# Arbiter `operator`: the secondary dies, the primary holds until a person lets it go on.
arbiter operator
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill b
run 5s
expect a PRIM Transient
command a prim
command a prim force
until a ALONE Ready 1s
