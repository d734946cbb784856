# with a few made-up words in the place of the real ones: that its parts meet, not what they say
mkdir words
python3 -c "import os, sys; sys.path.insert(0, os.environ['HELPERS']); import data; data.write_demo('words', 640)"
flashgmm demo --data words --output figure.svg --json - | python3 -c "
import json, sys
result = json.load(sys.stdin)
print(sorted(result))
for index in result['indexes']:
    print(index['index'], index['lists'], len(index['curve']), index['curve'][-1]['recall'] > 0.5)"
python3 -c "import xml.dom.minidom as dom; dom.parse('figure.svg')"
flashgmm demo --data words | grep -c .
echo more >> words/glove-20k.words.txt
flashgmm demo --data words
flashgmm demo --data nowhere
