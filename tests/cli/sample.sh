flashgmm fit base.fvecs -k 3 --quiet
flashgmm sample model.fgm -n 20000 -o drawn.fvecs --labels labels.ivecs --seed 3
flashgmm sample model.fgm -n 20000 -o drawn.npy --seed 3 --json -
flashgmm sample model.fgm -n 3 -o few.fvecs --seed 3 --quiet
python3 "$HELPERS/show.py" drawn.fvecs few.fvecs labels.ivecs drawn.npy
flashgmm fit drawn.fvecs -k 3 -o refitted.fgm --quiet
flashgmm info refitted.fgm
flashgmm fit base.fvecs -k 3 --normalize --quiet
flashgmm sample model.fgm -n 3 -o few.fvecs
