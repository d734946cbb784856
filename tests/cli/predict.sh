flashgmm fit base.fvecs -k 3 --quiet
flashgmm predict model.fgm one.fvecs
flashgmm predict model.fgm one.fvecs --top 3
flashgmm predict model.fgm queries.fvecs | cut -f 2 | sort | uniq -c
flashgmm predict model.fgm queries.fvecs -o labels.ivecs
flashgmm predict model.fgm queries.fvecs -o labels.ibin --quiet
flashgmm predict model.fgm queries.fvecs -o labels.npy --quiet
flashgmm predict model.fgm queries.fvecs -o parts.npy --top 2
flashgmm predict model.fgm queries.fvecs -o parts.ivecs --top 2 --quiet
flashgmm predict model.fgm queries.fvecs -o parts.ibin --top 2 --quiet
flashgmm predict model.fgm queries.fvecs -o above.npy --tau 0.001 --json -
python3 "$HELPERS/show.py" labels.* parts.* above.*
