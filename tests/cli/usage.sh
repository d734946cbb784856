# every mistake in the use of the tool: one line that names it, exit code 2
try() {
    flashgmm "$@"
    code=$?
    test $code = 2 || echo "exit $code: $*"
}
try
try ftt
try xyzzy
try fit
try fit base.fvecs
try fit base.fvecs more.fvecs -k 3
try fit base.fvecs --k 0
try fit base.fvecs -k -1
try fit base.fvecs -k 3000000000
try fit base.fvecs -k many
try fit base.fvecs -k
try fit base.fvecs -k 3 --covariance round
try fit base.fvecs -k 3 --covarience diag
try fit base.fvecs -k 3 --frobnicate
try fit base.fvecs -k 3 -z
try fit base.fvecs -k 3 --quiet=yes
try fit base.fvecs -k 3 --tol nan
try fit base.fvecs -k 3 --var-floor 1
try fit base.fvecs -k 3 --seed -1
try fit base.fvecs -k 3 --sample 0
try fit base.fvecs -k 3 --threads 5000
try predict m.fgm
try predict m.fgm base.fvecs --top 2 --tau 0.1
try predict m.fgm base.fvecs --tau 1
try predict m.fgm base.fvecs --tau 0.1 -o x.ivecs
try predict m.fgm base.fvecs --json -
try sample m.fgm -o x.fvecs
try kmeans base.fvecs
try index base.fvecs -k 4
try index base.fvecs -o i.fgi
try index base.fvecs -k 4 -o i.fgi --tau 0.1
try index base.fvecs -k 4 -o i.fgi --assign margin
try index base.fvecs -k 4 -o i.fgi --margin 2
try index base.fvecs -k 4 -o i.fgi --copies 1.5
try index base.fvecs -k 4 -o i.fgi --assign posterior --copies 1.5 --tau 0.1
try index base.fvecs -k 4 -o i.fgi --copies 0.5
try index base.fvecs -o i.fgi --model m.fgm --centroids c.fvecs
try search i.fgi base.fvecs --json -
try eval i.fgi base.fvecs --probes 1,,2
try eval i.fgi base.fvecs --probes 1,0
try eval i.fgi base.fvecs --order random
try info
try info base.fvecs --devices
try fit base.fvecs -k 3 --device gpu
try fit base.fvecs -k 3 --device cuda:x
try fit base.fvecs -k 3 --precision low
