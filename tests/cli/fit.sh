flashgmm fit base.fvecs -k 3
flashgmm fit base.fvecs -k=3 --covariance=diag -o diag.fgm --max-iter 2 --tol -1 --tol-relative -1
flashgmm fit base.fvecs --init diag.fgm -o again.fgm --json -
flashgmm fit holes.fvecs -k 3 --skip-bad-rows --init kmeans++ --restarts 2 --seed 7 -o skipped.fgm
flashgmm fit base.fvecs -k 2 --init random --sample 100 --normalize -o sampled.fgm
flashgmm fit bytes.bvecs -k 3 --quiet -o bytes.fgm
flashgmm fit base.fvecs -k 3 --shared-variance -o shared.fgm
flashgmm fit base.fvecs --format fvecs -k 3 --threads 2 --json result.json -o two.fgm --quiet
cmp model.fgm two.fgm && echo "same bytes for other threads"
cat result.json
