"""Answers with the variables that a WSGI application gets of a request."""
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


def drain(environ):
    """Reads a chunked body to its end: closing before would reset the connection."""
    while environ.get("HTTP_TRANSFER_ENCODING") == "chunked":
        line = environ["wsgi.input"].readline()
        if line.strip() in (b"0", b""):
            while environ["wsgi.input"].readline().strip():
                pass
            return
        environ["wsgi.input"].read(int(line, 16) + 2)


def app(environ, start_response):
    drain(environ)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{name}={value}\n".encode() for name, value in environ.items() if isinstance(value, str)]


host, port = sys.argv[1].split(":")
make_server(host, int(port), app, handler_class=Quiet).serve_forever()
