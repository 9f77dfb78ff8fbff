#!/usr/bin/python3
"""An HTTP receiver for tests: records what comes, and answers as the path asks.

Usage: hook_server.py LOG PORTFILE [CERT KEY]

LOG gets one JSON line per request, written before the answer.  The first segment of the path:
ok, 500, 429 (Retry-After: 7200), 410, redirect, slow, reset, big; hold: no answer at all;
flaky-N: N times 500, then 200.
"""
import http.server
import json
import os
import socket
import ssl
import struct
import sys
import threading
import time

log_path, port_path = sys.argv[1:3]
lock = threading.Lock()
seen = {}


class Hook(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, headers=(), body=b"ok"):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        line = {"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()},
                "body": body.decode()}
        with lock:
            seen[self.path] = seen.get(self.path, 0) + 1
            count = seen[self.path]
            with open(log_path, "a") as f:
                f.write(json.dumps(line) + "\n")
        way = self.path.split("/")[1]
        if way.startswith("flaky-"):
            self.answer(500 if count <= int(way[6:]) else 200)
        elif way == "500" or way == "410":
            self.answer(int(way))
        elif way == "429":
            self.answer(429, [("Retry-After", "7200")])
        elif way == "redirect":
            self.answer(302, [("Location", "/ok/redirected")])
        elif way == "slow":
            time.sleep(3)
            self.answer(200)
        elif way == "hold":
            time.sleep(60)
        elif way == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                       struct.pack("ii", 1, 0))
            self.connection.close()
        elif way == "big":
            self.answer(200, body=b"x" * 1000000)
        else:
            self.answer(200)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):  # a client that went away is what some tests are about
        pass


server = Server(("127.0.0.1", 0), Hook)
if len(sys.argv) > 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sys.argv[3:5])
    server.socket = context.wrap_socket(server.socket, server_side=True)
with open(port_path + ".new", "w") as f:
    f.write(str(server.server_address[1]))
os.rename(port_path + ".new", port_path)
server.serve_forever()
