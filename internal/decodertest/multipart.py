"""Like multipart.js, for decoders of Python, and for PHP, which is asked by FastCGI."""
import base64
import email.parser
import email.policy
import io
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
import warnings

warnings.simplefilter("ignore")
try:
    import cgi  # until Python 3.13
except ImportError:
    cgi = None


def with_cgi(kind, body):
    try:
        form = cgi.FieldStorage(fp=io.BytesIO(body), headers={"content-type": kind, "content-length": str(len(body))},
                                environ={"REQUEST_METHOD": "POST"}, keep_blank_values=True)
    except Exception:
        return []
    return list(of_cgi(form.list))


def of_cgi(items):
    for item in items or []:
        value = item.value
        if isinstance(value, list):
            yield from of_cgi(value)
            continue
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        yield (["FILE"] if item.filename else []) + [item.name or "", value]


def with_email(kind, body):
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(b"Content-Type: " + kind.encode("latin-1") + b"\r\n\r\n" + body)
    found = []
    for part in message.walk():
        if part.is_multipart():
            continue
        try:
            name = part.get_param("name", header="content-disposition")
            payload = (part.get_payload(decode=True) or b"").decode("utf-8", "replace")
            if name:
                found.append((["FILE"] if part.get_filename() else []) + [str(name), payload])
        except Exception:
            pass
    return found


class PHP:
    """php-cgi, which stays."""

    def __init__(self):
        self.dir = tempfile.mkdtemp()
        self.script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "multipart-cgi.php")
        self.path = os.path.join(self.dir, "php")
        self.process = subprocess.Popen(["php-cgi", "-b", self.path], env={**os.environ, "PHP_FCGI_MAX_REQUESTS": "0"})

    def connect(self):
        for _ in range(1000):
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(self.path)
                return s
            except OSError:
                s.close()
                time.sleep(0.01)
        sys.exit("php-cgi does not listen")

    def decode(self, kind, body):
        params = b"".join(self.pair(n.encode(), v.encode("latin-1")) for n, v in {
            "REQUEST_METHOD": "POST", "SCRIPT_FILENAME": self.script, "CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(body)),
        }.items())
        with self.connect() as s:
            s.sendall(self.record(1, struct.pack(">HB5x", 1, 0)))
            for number, content in (4, params), (5, body):
                for i in range(0, len(content), 60000):
                    s.sendall(self.record(number, content[i:i + 60000]))
                s.sendall(self.record(number, b""))
            answer = self.read(s)
        return json.loads(answer.split(b"\r\n\r\n", 1)[1])

    @staticmethod
    def pair(name, value):
        return struct.pack(">II", len(name) | 1 << 31, len(value) | 1 << 31) + name + value

    @staticmethod
    def record(number, content):
        return struct.pack(">BBHHBx", 1, number, 1, len(content), 0) + content

    @staticmethod
    def read(s):
        stream, answer = s.makefile("rb"), b""
        while True:
            _, number, _, length, padding = struct.unpack(">BBHHBx", stream.read(8))
            content = stream.read(length + padding)[:length]
            if number == 6:
                answer += content
            elif number == 3:
                return answer


php = PHP()
try:
    for line in sys.stdin:
        kind, _, body = base64.b64decode(line).partition(b"\n")
        kind = kind.decode("latin-1")
        decoded = {"email": with_email(kind, body), "php": php.decode(kind, body)}
        if cgi:
            decoded["cgi"] = with_cgi(kind, body)
        print(json.dumps(decoded), flush=True)
finally:
    php.process.kill()
