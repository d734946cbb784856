# to FAISS and back: its centroids make the same index
flashgmm index base.fvecs -k 6 -o hard.fgi --quiet
flashgmm export hard.fgi -o hard.faiss
flashgmm info hard.faiss
flashgmm index base.fvecs --centroids hard.faiss -o again.fgi --quiet
flashgmm search hard.fgi one.fvecs -n 4 --probes 2
flashgmm search again.fgi one.fvecs -n 4 --probes 2
flashgmm index bytes.bvecs -k 4 -o soft.fgi --assign nearest --metric cosine --quiet
flashgmm export soft.fgi -o soft.faiss --probes 3 --mapped
flashgmm export soft.fgi -o soft.faiss --json -
flashgmm kmeans bytes.bvecs -k 4 --init soft.faiss -o centroids.fvecs --quiet
flashgmm convert base.fvecs rows.faiss
flashgmm export base.fvecs -o x.faiss
flashgmm export hard.fgi
ls
