flashgmm index base.fvecs -k 6 -o soft.fgi --assign posterior --quiet
flashgmm eval soft.fgi queries.fvecs
flashgmm eval soft.fgi queries.fvecs -n 5 --probes 3,1 --order posterior --latency-queries 7 --json - --plot figure.svg
flashgmm search soft.fgi queries.fvecs -n 12 --probes 6 -o truth.ivecs --quiet
flashgmm eval soft.fgi queries.fvecs --groundtruth truth.ivecs --probes 6 --plot figure.svg --mapped
cat figure.svg
for seed in 1 2; do
    flashgmm index base.fvecs -k 6 -o hard-$seed.fgi --seed $seed --quiet
    flashgmm index base.fvecs -k 6 -o soar-$seed.fgi --seed $seed --assign soar --quiet
done
flashgmm eval hard-1.fgi queries.fvecs --compare hard-2.fgi,soar-1.fgi,soar-2.fgi --seeds 2 --probes 1,2,4 --report seeds.html
flashgmm eval hard-1.fgi queries.fvecs --compare hard-2.fgi,soar-1.fgi,soar-2.fgi --seeds 2 --probes 1,4 --json - |
    python3 -c "import json, sys; print(*json.load(sys.stdin)['groups'], sep='\n')"
grep -c '&plusmn;' seeds.html
flashgmm eval hard-1.fgi queries.fvecs --compare hard-2.fgi,soar-1.fgi --seeds 2
flashgmm index base.fvecs -k 3 -o few.fgi --quiet
flashgmm eval hard-1.fgi queries.fvecs --compare few.fgi --seeds 2
grep -o "<p>Recall[^<]*" seeds.html
flashgmm eval hard-1.fgi queries.fvecs --probes 1,2 --compare few.fgi --report far.html --quiet
grep -o "<p>Recall[^<]*" far.html
flashgmm eval hard-1.fgi queries.fvecs --probes 1,2,6 --report one.html --quiet
grep -o "<p>Recall[^<]*" one.html
flashgmm index queries.fvecs -k 6 -o other.fgi --quiet
flashgmm eval hard-1.fgi queries.fvecs --compare other.fgi
flashgmm index base.fvecs -k 6 -o cosine.fgi --metric cosine --quiet
flashgmm eval hard-1.fgi queries.fvecs --compare cosine.fgi
flashgmm eval hard-1.fgi queries.fvecs --plot figure.png
python3 -c "import xml.dom.minidom as dom; dom.parse('figure.svg')"
