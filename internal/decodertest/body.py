"""Like body.js, for the JSON reader of Python: of one text, of many, and of lines."""
import base64
import json
import sys


def flatten(value, path):
    if isinstance(value, dict) and value:
        return [pair for name, inner in value.items() for pair in flatten(inner, path + [name])]
    if isinstance(value, list) and value:
        return [pair for i, inner in enumerate(value) for pair in flatten(inner, path + ["#%d" % i])]
    return [path + [json.dumps(value)]]


def texts(text):
    """Reads one text after the other, as Splunk's collector does."""
    decoder, at = json.JSONDecoder(), 0
    while True:
        at += len(text[at:]) - len(text[at:].lstrip(" \t\r\n"))
        if at == len(text):
            return
        value, at = decoder.raw_decode(text, at)
        yield value


def each(values):
    try:
        return [pair for i, value in enumerate(values) for pair in flatten(value, ["text %d" % i])]
    except (ValueError, RecursionError):
        return []


for line in sys.stdin:
    text = base64.b64decode(line).decode("utf-8-sig", "replace")
    print(json.dumps({
        "json.loads": each(json.loads(t) for t in [text]),
        "raw_decode": each(texts(text)),
        "lines": each(json.loads(t) for t in text.split("\n") if t.strip(" \t\r")),
    }), flush=True)
