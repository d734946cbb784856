flashgmm index base.fvecs -k 6 -o hard.fgi --quiet
flashgmm search hard.fgi queries.fvecs --recall 0.9 -o ids.ivecs
flashgmm tune hard.fgi queries.fvecs --recall 0.9 -n 5
flashgmm tune hard.fgi --recall 0.95 --sample 200 --seed 3 -o tuned.fgi --json -
flashgmm info tuned.fgi
flashgmm search tuned.fgi queries.fvecs --recall 0.95 -o ids.ivecs --json -
flashgmm search tuned.fgi queries.fvecs --recall 0.95 --probes 3
flashgmm search tuned.fgi queries.fvecs --recall 0.95 -n 7 -o seven.ivecs
flashgmm tune hard.fgi queries.fvecs --recall 0.999
flashgmm index base.fvecs -k 6 -o plain.fgi --quiet
flashgmm eval plain.fgi queries.fvecs --compare tuned.fgi --recall 0.8,0.9 --probes 1,2,3,6 --report page.html
flashgmm eval tuned.fgi queries.fvecs --recall 0.9,1.5
python3 -c "import re; page = open('page.html').read(); print(len(re.findall('<table>', page)), len(re.findall('<svg', page)), 'http' in page.replace('http://www.w3.org', ''))"
for rule in ratio rair soar rng; do flashgmm index base.fvecs -k 6 -o $rule.fgi --assign $rule --copies 1.2 | head -2; done
flashgmm index base.fvecs -k 6 -o strict.fgi --assign soar --strict --lambda 1.5 | head -2
flashgmm index base.fvecs -k 6 -o warm.fgi --assign posterior --temperature 3 | head -2
flashgmm index base.fvecs -k 6 -o no.fgi --assign hard --strict
flashgmm index base.fvecs -k 6 -o no.fgi --assign soar --tau 0.2
flashgmm index base.fvecs -k 6 -o no.fgi --assign ratio
