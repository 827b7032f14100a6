# evenkeel-fs cannot mount: the sentence says why, and nothing is tried again before a person did.
fs-broken a on
boot a
boot b
command a start
command b start
run 500ms
command a prim
run 2s
expect a WAIT NotReady
status a
status b
