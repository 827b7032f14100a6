# A planned stop of the secondary: it says that it is not good any more; the primary goes on alone
# without asking anybody, and without a pause.
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
command b stop
until a ALONE Ready 1s
until b STOP NotReady 2s
