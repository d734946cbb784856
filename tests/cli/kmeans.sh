flashgmm kmeans base.fvecs -k 3 --labels labels.ivecs
flashgmm kmeans base.fvecs --init centroids.fvecs -o again.npy --json -
flashgmm kmeans bytes.bvecs -k 3 --init random --max-iter 5 --tol 0 --restarts 2 --sample 200 -o bytes.fbin --quiet
flashgmm kmeans holes.fvecs -k 3 --skip-bad-rows --normalize -o unit.fvecs
flashgmm kmeans base.fvecs -k 3 --spherical
flashgmm kmeans base.fvecs -k 3 --normalize --spherical -o sphere.fvecs --quiet
python3 "$HELPERS/show.py" centroids.fvecs again.npy bytes.fbin labels.ivecs
