"""Like document.js, for a reader that takes a space in base64 for a plus sign, and for one that skips it."""
import base64
import json
import sys
import urllib.parse


def document(value, space):
    try:
        return json.dumps(json.loads(value))
    except ValueError:
        pass
    try:
        text = value.replace(" ", space).translate(str.maketrans("-_", "+/"))
        return json.dumps(json.loads(base64.b64decode(text + "=" * (-len(text) % 4))))
    except ValueError:
        return ""


for line in sys.stdin:
    text = base64.b64decode(line).decode("utf-8", "surrogateescape")
    print(json.dumps({
        name: [[n, document(v, space) if n == "data" else v] for n, v in urllib.parse.parse_qsl(text, keep_blank_values=True)]
        for name, space in (("parse_qsl", "+"), ("parse_qsl, no spaces", ""))
    }), flush=True)
