# The goodbye of an earlier life, sent again, is no goodbye: neither does the primary hold its answers, nor does the
# other node take over.
arbiter ping
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
shutdown a
run 500ms
record a
kill a
run 3s
expect b ALONE Ready
boot a
until a SECOND Ready 8s
command a swap
until a PRIM Ready 8s
until b SECOND Ready 3s
shutdown b
run 500ms
record b
kill b
run 3s
boot b
until b SECOND Ready 8s
run 2s
play a
play b
run 3s
expect a PRIM Ready
expect b SECOND Ready
