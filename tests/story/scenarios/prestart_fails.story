# A prestart that fails is said, and the module starts nevertheless: it looks and prepares, no more.
module script prestart
boot a
boot b
fail a prestart 1
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
