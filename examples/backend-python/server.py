#!/usr/bin/python3
"""A service behind an ingest gate. It believes no request that does not carry an
assertion signed by the gate."""

import argparse
import json
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt

KEY_TYPES = {"EdDSA": "OKP", "ES256": "EC"}  # the algorithms, and what they sign with


class KeySet(jwt.PyJWKClient):
    """The gate's key set, fetched every 5 minutes, and for a key that is not known,
    but not twice in 10 seconds. While it cannot be had, the last one is kept for a
    day. (PyJWT 2.6 by itself has neither limit nor timeout, and keeps nothing.)"""

    def __init__(self, url):
        super().__init__(url, lifespan=300)
        self.lock = threading.Lock()
        self.tried = self.fetched = float("-inf")
        self.data = None

    def fetch_data(self):
        with self.lock:
            if time.monotonic() - self.tried > 10:
                self.try_to_fetch()
                self.tried = time.monotonic()
            if time.monotonic() - self.fetched > 86400:
                raise jwt.PyJWKClientError("the key set cannot be had")
            return self.data

    def try_to_fetch(self):
        try:
            with urllib.request.urlopen(self.uri, timeout=5) as response:
                data = json.load(response)
                jwt.PyJWKSet.from_dict(data)  # fails if it has no usable key
        except Exception as err:
            print(f"fetching the key set: {err!r}", file=sys.stderr)
            return
        self.data, self.fetched = data, time.monotonic()
        self.jwk_set_cache.put(data)


class Verifier:
    def __init__(self, flags):
        self.flags = flags
        self.keys = KeySet(flags.jwks)

    def verify(self, headers):
        """Returns what the gate says about the caller, or raises."""
        assertions = headers.get_all(self.flags.header, [])
        if len(assertions) != 1:
            raise ValueError(f"{len(assertions)} {self.flags.header} headers, want one")
        key = self.keys.get_signing_key_from_jwt(assertions[0])
        claims = jwt.decode(
            assertions[0],
            key.key,
            # Never let the token choose, nor use a key with an algorithm of another.
            algorithms=[a for a in self.flags.algorithms if KEY_TYPES[a] == key.key_type],
            issuer=self.flags.issuer,
            audience=self.flags.audience,
            leeway=5,
            options={"require": ["iss", "aud", "exp"]},
        )
        # A gate that only reports says in its verdict what it would have refused.
        if claims.get("verdict", "allowed") != "allowed":
            raise ValueError("the gate would have refused this request")
        if not claims.get("key_id"):
            raise ValueError("the assertion names no key")
        return claims


class Handler(BaseHTTPRequestHandler):
    timeout = 10

    def serve(self):
        try:
            length = int(self.headers.get("Content-Length", 0))
            self.rfile.read(min(max(length, 0), 1 << 20))
            claims = self.server.verifier.verify(self.headers)
        except Exception as err:  # whatever went wrong, nobody has been authenticated
            print(f"refusing a request: {err!r}", file=sys.stderr)
            return self.reply(401, {"error": "no valid assertion"})
        self.reply(200, {
            "key_id": claims["key_id"], "account": claims.get("sub"), "mode": claims.get("mode"),
            "res": claims.get("res"), "method": self.command, "path": self.path.split("?")[0],
        })

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    def reply(self, status, answer):
        body = json.dumps(answer).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """No access log: that is the gate's."""


def algorithms(value):
    names = value.split(",")
    for name in names:
        if name not in KEY_TYPES:
            raise argparse.ArgumentTypeError(f"{name!r} is not allowed: use EdDSA or ES256")
    return names


def new_server(args=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", default="localhost:9000", help="address to listen on")
    parser.add_argument("--jwks", default="http://localhost:8080/.well-known/jwks.json", help="URL of the gate's key set")
    parser.add_argument("--header", default="X-Ingest-Identity", help="name of the header with the assertion")
    parser.add_argument("--issuer", default="ingest-auth", help="required iss claim")
    parser.add_argument("--audience", default="backend", help="required aud claim")
    parser.add_argument("--algorithms", default="EdDSA,ES256", type=algorithms, help="comma-separated list of accepted algorithms")
    flags = parser.parse_args(args)
    host, _, port = flags.listen.rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Handler)
    server.verifier = Verifier(flags)
    return server


if __name__ == "__main__":
    server = new_server()
    print("listening on {}:{}".format(*server.server_address), flush=True)
    server.serve_forever()
