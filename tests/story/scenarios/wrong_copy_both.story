# Both lose power; the disk of the holder is not mounted when it returns: it does not serve what it finds, the other does.
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
fs-wrong a on
boot a
boot b
until b ALONE Ready 8s
run 2s
status a
