flashgmm convert base.fvecs base.npy
flashgmm convert base.npy base.fbin --quiet
flashgmm convert base.fbin again.fvecs --quiet
cmp base.fvecs again.fvecs && echo "same bytes after three conversions"
flashgmm convert bytes.bvecs bytes.fvecs --json -
flashgmm convert bytes.fvecs bytes.u8bin --quiet
flashgmm convert bytes.u8bin bytes.npy --quiet
flashgmm convert bytes.npy again.bvecs --quiet
cmp bytes.bvecs again.bvecs && echo "same bytes after four conversions"
flashgmm convert ids.ivecs ids.fvecs --quiet
flashgmm convert ids.fvecs ids.ibin --quiet
flashgmm convert ids.ibin ids.data --to ivecs --quiet
flashgmm convert ids.data ids.npy --from ivecs --quiet
cmp ids.ivecs ids.data && echo "same bytes after three conversions"
python3 "$HELPERS/show.py" base.npy base.fbin bytes.u8bin bytes.fvecs ids.fvecs ids.npy
flashgmm convert base.fvecs lossy.bvecs
flashgmm convert ids.ivecs lossy.bvecs
flashgmm convert base.fvecs base.hdf5
flashgmm convert base.fvecs base.xyz
ls lossy* base.h* base.x* 2>/dev/null
