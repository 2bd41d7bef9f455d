"""Like cookie.js, for the decoder of Python."""
import base64
import http.cookies
import json
import sys

for line in sys.stdin:
    text = base64.b64decode(line).decode("latin-1")
    cookies = http.cookies.SimpleCookie()
    try:
        cookies.load(text)
    except http.cookies.CookieError:
        pass
    print(json.dumps({"SimpleCookie": [(name, morsel.value) for name, morsel in cookies.items()]}), flush=True)
