flashgmm index base.fvecs -k 6 -o hard.fgi --quiet
flashgmm index base.fvecs -k 6 -o soft.fgi --assign posterior --quiet
flashgmm search hard.fgi one.fvecs -n 4
flashgmm search hard.fgi one.fvecs -n 4 --probes 6
flashgmm search soft.fgi one.fvecs -n 4 --probes 6 --order posterior
flashgmm search soft.fgi one.fvecs -n 4 --probes 6 --mapped
flashgmm search hard.fgi one.fvecs -n 400 | wc -w
flashgmm search soft.fgi queries.fvecs -n 3 --probes 2 -o found.ivecs --scores found.fvecs
flashgmm search soft.fgi queries.fvecs -n 3 --probes 2 -o found.npy --json -
flashgmm search soft.fgi queries.fvecs -n 3 --probes 2 -o found.ibin --quiet
python3 "$HELPERS/show.py" found.*
