"""Reads the value of a header in base64 from every line, and writes what readers of Python make
of the parameters in it: per reader, a list of names with the value."""
import base64
import email.message
import json
import sys
import urllib.request


def without_scheme(text):
    word, space, rest = text.partition(" ")
    return rest if space and "=" not in word else text


def sentry(text):  # as Sentry's servers have it
    return [pair.strip().split("=", 1) for pair in text.split(",") if "=" in pair]


for line in sys.stdin:
    text = base64.b64decode(line).decode("latin-1")
    rest = without_scheme(text)
    pairs = [item for item in urllib.request.parse_http_list(rest) if item.partition("=")[2]]
    message = email.message.Message()
    message["Content-Type"] = "x/y; " + rest.replace("\n", " ")
    print(json.dumps({
        "parse_keqv_list": list(urllib.request.parse_keqv_list(pairs).items()),
        "sentry": sentry(rest),
        "get_params": [pair for pair in message.get_params()[1:] if ";" in text and "," not in text],
    }), flush=True)
