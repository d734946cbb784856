# results are among the ids of a file alone
flashgmm index base.fvecs -k 6 -o hard.fgi --quiet
flashgmm search hard.fgi one.fvecs -n 4 --probes 6
flashgmm search hard.fgi one.fvecs -n 3 --probes 6 -o best.ivecs --quiet
flashgmm search hard.fgi one.fvecs -n 4 --probes 6 --allow best.ivecs
flashgmm search hard.fgi one.fvecs -n 4 --probes 6 --allow ids.ivecs
flashgmm search hard.fgi queries.fvecs -n 4 --probes 6 --allow best.ivecs -o found.npy
flashgmm search hard.fgi one.fvecs --allow base.fvecs
PYTHONPATH="$HELPERS" python3 -c 'import data; data.write_vecs("none.ivecs", "i", [[-1]])'
flashgmm search hard.fgi one.fvecs --allow none.ivecs
