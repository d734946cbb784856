flashgmm index base.fvecs -k 6 -o soft.fgi --assign posterior --quiet
flashgmm eval soft.fgi queries.fvecs
flashgmm eval soft.fgi queries.fvecs -n 5 --probes 3,1 --order posterior --latency-queries 7 --json - --plot figure.svg
flashgmm search soft.fgi queries.fvecs -n 12 --probes 6 -o truth.ivecs --quiet
flashgmm eval soft.fgi queries.fvecs --groundtruth truth.ivecs --probes 6 --plot figure.svg --mapped
cat figure.svg
python3 -c "import xml.dom.minidom as dom; dom.parse('figure.svg')"
