# Swap with all scripts, given on the primary; the old primary keeps no address and serves no more.
module script prestart
module script start_both
module script stop_both
module script start_second
module script stop_second
module script poststop
boot a
boot b
command a start
command b start
run 500ms
command a prim
until b SECOND Ready 5s
run 1s
command a swap
until b ALONE Ready 2s
until a SECOND Ready 5s
run 1s

# While nobody is SECOND Ready, swap is refused.
command a stop
until a STOP NotReady 3s
command b swap
command a swap
command b swap
