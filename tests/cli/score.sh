flashgmm fit base.fvecs -k 3 --quiet
flashgmm score model.fgm queries.fvecs
flashgmm score model.fgm queries.fvecs --json -
flashgmm score model.fgm queries.fvecs -o scores.npy
flashgmm score model.fgm queries.fvecs -o scores.fvecs --quiet
flashgmm score model.fgm queries.fvecs -o scores.fbin --quiet
python3 "$HELPERS/show.py" scores.*
