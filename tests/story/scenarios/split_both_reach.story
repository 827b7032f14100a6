# Both reach it: ping is a guess, and both go on. When they hear each other one gives way, and its
# writes are kept until a person decides.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
cut a
cut b
client cut
run 4s
expect a ALONE Ready
expect b ALONE Ready
heal a
heal b
client heal
run 2s
expect a ALONE Ready
expect b WAIT NotReady
status a
status b
