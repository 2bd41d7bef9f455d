"""Reads {"kind", "key", "before", "after"} in JSON from every line, and writes a list of what is
wrong with it: whatever decodes to the key in after, and what is not the same as before but for
the key. The kinds are json, lines, params, cookie, header and path."""
import base64
import binascii
import http.cookies
import json
import re
import sys
import urllib.parse

TOKEN = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")


def unbase64(text):
    text = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        return None


def unescape(text):
    return re.sub(r'\\+(?:u([0-9a-fA-F]{4})|([/"\\]))', lambda m: chr(int(m[1], 16)) if m[1] else m[2], text)


def readings(text):
    """All that somebody may read in a text."""
    once = {text, urllib.parse.unquote(text), urllib.parse.unquote_plus(text), unescape(text)}
    once |= {unescape(t) for t in once} | {urllib.parse.unquote(t) for t in once}
    return once


def holds(text, key):
    for reading in readings(text):
        if key in reading:
            return True
        for run in re.findall(r"[A-Za-z0-9+/_-]{16,}", reading):
            for start in range(4):
                part = run[start:]
                whole = unbase64(part[:-1] if len(part) % 4 == 1 else part)
                if key in (whole or ""):
                    return True
    return False


def pattern(key):
    """The key with any of its characters percent-encoded or escaped."""
    def one(c):
        forms = [re.escape(c), r"\\+u%04x" % ord(c), "%5[cC]u" + "%04x" % ord(c), "".join("%%(?:25)*%02x" % b for b in c.encode())]
        if c in '/"':
            forms.append(r"\\" + c)
        return "(?:" + "|".join(f if i == 0 else "(?i:" + f + ")" for i, f in enumerate(forms)) + ")"
    return re.compile("".join(one(c) for c in key))


class Check:
    def __init__(self, key):
        self.key, self.pattern = key, pattern(key)

    def gone(self, text):
        """Tells whether a text is nothing but the key."""
        if not isinstance(text, str) or text == "":
            return False
        if self.pattern.sub("", text) == "":
            return True
        token = TOKEN.fullmatch(text) and unbase64(text)
        return bool(token) and self.key in token and token.replace(self.key, "") in ("", ":")

    def same(self, before, after):
        """Tells whether a text is the same but for the key, also in base64."""
        if self.pattern.sub("", before) == after:
            return True
        for m in TOKEN.finditer(before):
            inner = unbase64(m[0])
            if inner is None or self.key not in inner:
                continue
            head, tail = before[: m.start()], before[m.end():]
            if not after.startswith(head) or not after.endswith(tail):
                return False
            left = after[len(head): len(after) - len(tail)]
            if left == "":
                return self.gone(m[0])
            left = unbase64(left)
            if left is None:
                return False
            try:
                tree = parse(inner)
            except ValueError:
                return self.same(inner, left)
            return self.same_tree(tree, parse(left))
        return False

    def same_tree(self, before, after):
        if type(before) is not type(after):
            return False
        if isinstance(before, Members):
            left = [(name, value) for name, value in before if not self.gone(name) and not self.gone(value)]
            return len(left) == len(after) and all(self.same(n, m) and self.same_tree(v, w) for (n, v), (m, w) in zip(left, after))
        if isinstance(before, list):
            return len(before) == len(after) and all(self.same_tree(v, w) for v, w in zip(before, after))
        if isinstance(before, str):
            return self.same(before, after) or after == "" and self.gone(before)
        return before == after

    def same_pairs(self, before, after):
        left = [(name, value) for name, value in before if not self.gone(name) and not self.gone(value)]
        return len(left) == len(after) and all(self.same(n, m) and self.same(v, w) for (n, v), (m, w) in zip(left, after))


class Members(list):
    pass


def parse(text):
    # parse_float and parse_int keep numbers as they are spelled
    return json.loads(text, object_pairs_hook=Members, parse_float=lambda s: ("number", s), parse_int=lambda s: ("number", s))


def pairs(text):
    # '+' may be one of base64
    return urllib.parse.parse_qsl(text.replace("+", "%2B"), keep_blank_values=True, errors="surrogateescape")


def cookies(text):
    split = (part.strip().partition("=") for part in text.split(";"))
    return [(name, value.strip('"')) for name, _, value in split if name]


def compare(check, kind, before, after):
    if kind == "json":
        return check.same_tree(parse(before), parse(after))
    if kind == "lines":
        b, a = before.splitlines(), after.splitlines()
        return len(b) == len(a) and all(check.same_tree(parse(x), parse(y)) for x, y in zip(b, a))
    if kind == "params":
        return check.same_pairs(pairs(before), pairs(after))
    if kind == "cookie":
        for part in http.cookies.SimpleCookie(after).values():
            if holds(part.value, check.key):
                return False
        return check.same_pairs(cookies(before), cookies(after))
    if kind == "path":
        b, a = before.split("/"), after.split("/")
        return len(b) == len(a) and all(x == y or check.same(x, y.replace("key_1", "")) or check.gone(x) and y == "key_1" for x, y in zip(b, a))
    return check.same(before, after) or check.same(before, after + " ") or check.gone(before) and after == ""


for line in sys.stdin:
    q = json.loads(line)
    wrong = []
    if holds(q["after"], q["key"]):
        wrong.append("the key is left")
    try:
        if not compare(Check(q["key"]), q["kind"], q["before"], q["after"]):
            wrong.append("something else has changed")
    except ValueError as err:
        wrong.append("is not read any more: " + str(err))
    print(json.dumps(wrong), flush=True)
