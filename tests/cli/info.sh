flashgmm fit base.fvecs -k 3 --covariance diag --quiet
flashgmm index base.fvecs -k 4 -o index.fgi --quiet
for file in model.fgm index.fgi base.fvecs bytes.bvecs ids.ivecs; do
    flashgmm info $file
    flashgmm info $file --json -
done
cp base.fvecs base.data
flashgmm info base.data --format fvecs
