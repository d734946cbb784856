#!/bin/sh
# usage: build.sh FILE.cu...   -> objects beside; prints resources
for f in "$@"; do nvcc -std=c++17 -O3 -lineinfo -gencode=arch=compute_90a,code=sm_90a -Xptxas -v -c $f -o ${f%.cu}.o 2>&1 | grep -E "error|warning|entry function|registers|spill|C75" | sed -e 's/ptxas info *: //' -e "s/for 'sm_90a'//"; done
