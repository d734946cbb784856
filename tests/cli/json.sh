# what is written is JSON, whatever the names hold; with --json - nothing else is on standard output
valid() { python3 -m json.tool > /dev/null && echo "valid"; }
name='odd "name" \ 	with tab.fvecs'
cp base.fvecs "$name"
flashgmm fit "$name" -k 3 --json - | valid
flashgmm predict model.fgm base.fvecs -o labels.npy --json - | valid
flashgmm score model.fgm base.fvecs --json - | valid
flashgmm sample model.fgm -n 5 -o drawn.npy --json - | valid
flashgmm kmeans base.fvecs -k 3 --json - | valid
flashgmm index base.fvecs -k 3 -o index.fgi --json - | valid
flashgmm search index.fgi queries.fvecs -o ids.ivecs --json - | valid
flashgmm eval index.fgi queries.fvecs --json - | valid
flashgmm info "$name" --json - | valid
flashgmm convert base.fvecs base.npy --json - | valid
flashgmm fit base.fvecs -k 3 --json report.json > /dev/null && valid < report.json
latin=$(printf 'caf\351.fvecs')
cp base.fvecs "$latin"
flashgmm info "$latin" --json - | python3 -c "import json, sys; print(ascii(json.load(sys.stdin)['file']))"
