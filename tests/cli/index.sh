flashgmm index base.fvecs -k 6 -o hard.fgi
flashgmm index base.fvecs -k 6 -o nearest.fgi --assign nearest --max-lists 3 --metric cosine
flashgmm index base.fvecs -k 6 -o margin.fgi --assign margin --margin 2 --metric ip
flashgmm index base.fvecs -k 6 -o soft.fgi --assign posterior --json -
flashgmm index base.fvecs -k 6 -o budget.fgi --assign posterior --copies 1.3 --covariance diag --em-iter 20 --seed 2
flashgmm fit base.fvecs -k 6 --quiet
flashgmm index base.fvecs -o model.fgi --model model.fgm --assign posterior --tau 0.3
flashgmm kmeans base.fvecs -k 6 --quiet
flashgmm index bytes.bvecs -o given.fgi --centroids centroids.fvecs --ids ids.ivecs --quiet
flashgmm index base.fvecs -k 6 -o mixture.fgi --coarse gmm --kmeans-iter 3 --sample 200 --quiet
for index in *.fgi; do flashgmm info $index; done
flashgmm info budget.fgi --json -
