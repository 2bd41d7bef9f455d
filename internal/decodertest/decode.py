"""Like decode.js, for the decoder of Python."""
import base64
import json
import sys
import urllib.parse

for line in sys.stdin:
    text = base64.b64decode(line).decode("utf-8", "surrogateescape")
    print(json.dumps({
        "parse_qsl " + separator: urllib.parse.parse_qsl(text, keep_blank_values=True, separator=separator)
        for separator in "&;"
    }), flush=True)
