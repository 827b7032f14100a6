# Swap: the peer dies after it was named holder. Only it may serve then: it may have begun unheard.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
command a swap
run 35ms
kill b
run 4s
status a
boot b
until b ALONE Ready 6s
until a SECOND Ready 8s
