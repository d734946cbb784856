flashgmm --version
flashgmm --help
for command in fit predict score sample kmeans index search eval info export convert demo; do
    echo "----------------------------------------"
    flashgmm $command --help
done
