"""securesystemslib's canonical JSON: one JSON text a line in, its canonical form as hex a line out."""

import json
import sys

from securesystemslib.formats import encode_canonical

for line in sys.stdin:
    print(encode_canonical(json.loads(line)).encode().hex())
