flashgmm --version
flashgmm --help
for command in fit predict score sample kmeans index search tune eval info export convert demo; do
    echo "----------------------------------------"
    flashgmm $command --help
done
