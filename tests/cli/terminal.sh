# progress is drawn on a terminal only, and taken away at the end
forever="--max-iter 3000 --tol -1 --tol-relative -1"
python3 "$HELPERS/terminal.py" flashgmm fit base.fvecs -k 20 $forever --json result.json > /dev/null
python3 "$HELPERS/terminal.py" sh -c "flashgmm fit base.fvecs -k 20 $forever > report.txt"
cut -c 1-14 report.txt
python3 "$HELPERS/terminal.py" flashgmm fit base.fvecs -k 20 $forever --quiet
flashgmm fit base.fvecs -k 20 $forever --quiet
