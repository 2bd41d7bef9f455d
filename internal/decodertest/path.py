"""Like path.js, for decoders of Python."""
import base64
import json
import posixpath
import sys
import urllib.parse

for line in sys.stdin:
    text = base64.b64decode(line).decode("latin-1")
    path = text.partition("?")[0]
    wsgi = urllib.parse.unquote(path)
    answers = {
        "WSGI": [wsgi[1:].split("/")],
        "normpath": [posixpath.normpath(wsgi).lstrip("/").split("/")],
        "segments": [[urllib.parse.unquote(segment) for segment in path[1:].split("/")]],
        "urlparse without parameters": [[urllib.parse.unquote(segment.partition(";")[0]) for segment in path[1:].split("/")]],
    }
    print(json.dumps(answers), flush=True)
