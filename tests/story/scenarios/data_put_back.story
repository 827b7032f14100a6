# Both lose power, and an old image of the data of the holder is put back: the other serves, and brings it up to date.
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
fs-old a on
boot a
boot b
until b PRIM Ready 9s
until a SECOND Ready 1s
