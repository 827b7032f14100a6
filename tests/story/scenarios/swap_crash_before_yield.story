# Swap: the peer dies while the old primary still drains, which cannot know that: named holder, it alone may serve.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
command a swap
run 15ms
kill b
run 4s
status a
boot b
until b ALONE Ready 6s
until a SECOND Ready 8s
