# what is wrong with a file is said with its name, and the exit code is 1
try() {
    flashgmm "$@"
    code=$?
    test $code = 1 || echo "exit $code: $*"
}
mkdir folder.fvecs
echo "not a model" > words.fgm
: > empty.fvecs
cp base.fvecs base.xyz
try fit missing.fvecs -k 3
try fit folder.fvecs -k 3
try fit empty.fvecs -k 3
try fit cut.fvecs -k 3
try fit base.xyz -k 3
try fit holes.fvecs -k 3
try fit base.fvecs -k 301
try fit ids.ivecs -k 3
try fit base.fvecs -k 3 -o nowhere/model.fgm
try fit base.fvecs -k 3 --json nowhere/result.json
try fit base.fvecs --init base.fvecs
try info missing.fgm
try info words.fgm
try info base.xyz
try predict words.fgm base.fvecs
flashgmm fit base.fvecs -k 3 --quiet
head -c 100 model.fgm > cut.fgm
try info cut.fgm
try predict model.fgm flat.fvecs
try predict model.fgm holes.fvecs
try predict model.fgm base.fvecs --top 4
try predict model.fgm base.fvecs -o labels.fvecs
try score model.fgm base.fvecs -o scores.ivecs
try sample model.fgm -n 5 -o rows.bvecs
try kmeans base.fvecs -k 3 -o centroids.ivecs
flashgmm index base.fvecs -k 4 -o index.fgi --quiet
head -c 200 index.fgi > cut.fgi
try info cut.fgi
try search cut.fgi queries.fvecs
try search model.fgm queries.fvecs
try search index.fgi flat.fvecs
try eval index.fgi queries.fvecs --groundtruth ids.ivecs
try eval index.fgi queries.fvecs --order posterior
try eval index.fgi queries.fvecs --plot nowhere/figure.svg
try index base.fvecs -k 4 -o x.fgi --ids queries.fvecs
ls
