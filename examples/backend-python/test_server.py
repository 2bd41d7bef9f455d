#!/usr/bin/python3
import base64
import contextlib
import hashlib
import hmac
import io
import json
import threading
import time
import unittest
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import server


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


ED, EC, STRANGER = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
ED_PUBLIC = ED.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
POINT = EC.public_key().public_numbers()
JWKS = {"keys": [
    {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "alg": "EdDSA", "use": "sig", "x": b64(ED_PUBLIC)},
    {"kty": "EC", "crv": "P-256", "kid": "ec", "alg": "ES256", "use": "sig",
     "x": b64(POINT.x.to_bytes(32, "big")), "y": b64(POINT.y.to_bytes(32, "big"))},
]}


class Gate(BaseHTTPRequestHandler):
    """Stands in for the gate: serves a key set."""

    up, fetches = True, 0

    def do_GET(self):
        Gate.fetches += 1
        self.send_response(200 if Gate.up else 503)
        self.end_headers()
        self.wfile.write(json.dumps(JWKS).encode())

    def log_message(self, *_):
        pass


def claims(**changes):
    now = int(time.time())
    c = {"iss": "ingest-auth", "aud": "backend", "sub": "acct_1", "jti": "1", "iat": now, "exp": now + 60,
         "key_id": "key_1", "mode": "test", "res": {"project": "p1"}, **changes}
    return {name: value for name, value in c.items() if value is not None}


def sign(alg, kid, key, **changes):
    return jwt.encode(claims(**changes), key, algorithm=alg, headers={"kid": kid})


def good(**changes):
    return sign("EdDSA", "ed", ED, **changes)


def by_hand(header, signature):
    """A token that PyJWT would not make."""
    signed = b64(json.dumps(header).encode()) + "." + b64(json.dumps(claims()).encode())
    return signed + "." + b64(signature(signed.encode()))


def run(test, srv):
    thread = threading.Thread(target=srv.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    test.addCleanup(srv.server_close)
    test.addCleanup(thread.join)
    test.addCleanup(srv.shutdown)
    return srv.server_address


class BackendTest(unittest.TestCase):
    def setUp(self):
        Gate.up, Gate.fetches = True, 0
        self.jwks = "http://{}:{}/".format(*run(self, HTTPServer(("127.0.0.1", 0), Gate)))
        self.log = self.enterContext(contextlib.redirect_stderr(io.StringIO()))

    def start(self, *args):
        srv = server.new_server(["--listen", "127.0.0.1:0", "--jwks", self.jwks, *args])
        self.address = run(self, srv)
        return srv.verifier.keys

    def post(self, *assertions):
        conn = HTTPConnection(*self.address, timeout=30)
        self.addCleanup(conn.close)
        conn.putrequest("POST", "/v1/a%2Fb?x=1")
        conn.putheader("Content-Length", "2")
        for a in assertions:
            conn.putheader("X-Ingest-Identity", a)
        conn.endheaders(b"{}")
        response = conn.getresponse()
        return response.status, json.load(response)

    def test_requests(self):
        hs256 = lambda data: hmac.digest(ED_PUBLIC, data, hashlib.sha256)
        now = int(time.time())
        cases = [
            ("EdDSA", 200, good()),
            ("ES256", 200, sign("ES256", "ec", EC)),
            ("audience in a list", 200, good(aud=["other", "backend"])),
            ("allowed by a gate that only reports", 200, good(verdict="allowed")),
            ("no header", 401),
            ("empty header", 401, ""),
            ("header twice", 401, good(), good()),
            ("two in one header", 401, good() + ", " + good()),
            ("garbage", 401, "a.b.c"),
            ("deep", 401, b64(b"[" * 10000) + ".e30."),
            ("none", 401, by_hand({"alg": "none", "kid": "ed"}, lambda _: b"")),
            ("HS256 with the public key", 401, by_hand({"alg": "HS256", "kid": "ed"}, hs256)),
            ("crit", 401, by_hand({"alg": "EdDSA", "kid": "ed", "crit": ["more"], "more": 1}, ED.sign)),
            ("key of a stranger", 401, sign("EdDSA", "ed", STRANGER)),
            ("ES256 under the kid of the Ed25519 key", 401, sign("ES256", "ed", EC)),
            ("no kid", 401, jwt.encode(claims(), ED, algorithm="EdDSA")),
            ("changed", 401, good() + "A"),
            ("other audience", 401, good(aud="other")),
            ("no audience", 401, good(aud=None)),
            ("other issuer", 401, good(iss="other")),
            ("no issuer", 401, good(iss=None)),
            ("expired", 401, good(exp=now - 60)),
            ("no expiry", 401, good(exp=None)),
            ("not yet", 401, good(nbf=now + 60)),
            ("no key", 401, good(key_id=None)),
            ("empty key", 401, good(key_id="")),
            ("refused by a gate that only reports", 401, good(verdict="invalid_key")),
            ("empty verdict", 401, good(verdict="")),
        ]
        self.start()
        for name, want, *assertions in cases:
            with self.subTest(name):
                status, body = self.post(*assertions)
                self.assertEqual(status, want, body)
                if want == 401:
                    self.assertEqual(body, {"error": "no valid assertion"})
        self.assertIn("refusing a request", self.log.getvalue())
        self.assertNotIn("eyJ", self.log.getvalue(), "an assertion was logged")

    def test_answer(self):
        self.start()
        self.assertEqual(self.post(good())[1], {
            "key_id": "key_1", "account": "acct_1", "mode": "test", "res": {"project": "p1"},
            "method": "POST", "path": "/v1/a%2Fb",
        })

    def test_flags(self):
        self.start("--algorithms", "EdDSA", "--issuer", "gate", "--audience", "events", "--header", "x-ingest-IDENTITY")
        self.assertEqual(self.post(good(iss="gate", aud="events"))[0], 200)
        self.assertEqual(self.post(good())[0], 401)
        self.assertEqual(self.post(sign("ES256", "ec", EC, iss="gate", aud="events"))[0], 401)
        for wrong in (["--algorithms", "HS256"], ["--algorithms", "none"], ["--nonsense"]):
            with self.assertRaises(SystemExit):
                self.start(*wrong)

    def test_flood_of_unknown_keys(self):
        self.start()
        for i in range(20):
            self.assertEqual(self.post(sign("EdDSA", f"unknown {i}", ED))[0], 401)
        self.assertEqual(Gate.fetches, 1)

    def test_outage(self):
        Gate.up = False
        keys = self.start()
        self.assertEqual(self.post(good())[0], 401)
        Gate.up = True
        keys.tried = float("-inf")  # the 10 seconds are over
        self.assertEqual(self.post(good())[0], 200)
        Gate.up = False
        keys.jwk_set_cache.lifespan = 0  # and so are the 5 minutes
        keys.tried = float("-inf")
        self.assertEqual(self.post(good())[0], 200)
        keys.fetched -= 86401
        self.assertEqual(self.post(good())[0], 401)


if __name__ == "__main__":
    unittest.main()
