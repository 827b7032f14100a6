# The primary's machine crashes and is back before the other could take over. What its page cache held
# is gone: the copy that never stopped serves, although the other was the holder.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
kill a
run 800ms
boot a
until b ALONE Ready 2s
until a SECOND Ready 8s
