# Ctrl-C ends a fit after the pass at hand; the model so far is kept and can be used
forever="--max-iter 1000000 --tol -1 --tol-relative -1"
python3 "$HELPERS/interrupt.py" 1 flashgmm fit base.fvecs -k 3 $forever --json fit.json --quiet
echo "exit $?"
grep stop_reason fit.json
flashgmm predict model.fgm one.fvecs
