# State and data of the holder are put back to one day, on which it did not count on b yet: they fit. It knows less of its own epoch than
# b was told: b serves.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until a ALONE Ready 2s
keep a
until b SECOND Ready 5s
run 1s
kill a
kill b
put-back a
fits a
boot a
boot b
until b PRIM Ready 9s
until a SECOND Ready 1s
