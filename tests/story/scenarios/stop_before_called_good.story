# The secondary is stopped just when the primary has recorded it as good: it resigns all the same.
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
target a off
target b off
command b restart
kill b
until a PRIM Transient 4s
heal b
boot b
until b SECOND Ready 8s
command b stop
until b STOP NotReady 3s
until a ALONE Ready 1s
command b start
until b SECOND Transient 1s
run 89ms
command b stop
until b STOP NotReady 3s
until a ALONE Ready 1s
