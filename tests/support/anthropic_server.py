#!/usr/bin/python3
"""A double of Anthropic's POST /v1/messages/count_tokens, for tests.

Usage: anthropic_server.py LOG PORTFILE

Holds method, path, headers and body against the API reference: what is wrong is 400 with the
defect, as the provider does; the key must be "sk-test", or it is 401.  LOG gets one JSON line for
each request, written before the answer; a key is never in it.  The count is the number of words of
the text and 7 for the frame of the message.  The model says what goes wrong:
unknown: 404; over-N: N times 429 with Retry-After: 1, then the count; down-N: N times 529;
reset-N: N times the connection is cut; patient: 429 with Retry-After: 3600; big: an endless
answer; strange-X: 200 with X of odd(); huge: 413; moved: 302; anything else: the count.
"""
import http.server
import json
import os
import socket
import struct
import sys
import threading

log_path, port_path = sys.argv[1:3]
lock = threading.Lock()
seen = {}


def odd(what):
    return {"none": b"{}", "text": b'{"input_tokens": "7"}', "minus": b'{"input_tokens": -1}',
            "float": b'{"input_tokens": 7.5}', "huge": b'{"input_tokens": 9223372036854775807}',
            "array": b"[1]", "html": b"<html>", "empty": b""}[what]


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body, headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def fail(self, status, kind, words, headers=()):
        self.answer(status, {"type": "error", "error": {"type": kind, "message": words}}, headers)

    def defect(self, body):
        """What the provider would not take, in words; None."""
        if self.path not in ("/v1/messages/count_tokens", "/gateway/v1/messages/count_tokens"):
            return "path " + self.path
        if self.headers.get("anthropic-version") != "2023-06-01":
            return "anthropic-version"
        if self.headers.get("content-type") != "application/json":
            return "content-type"
        if set(body) != {"model", "messages"} or not isinstance(body["model"], str):
            return "keys"
        messages = body["messages"]
        if not isinstance(messages, list) or len(messages) != 1:
            return "messages"
        if set(messages[0]) != {"role", "content"} or messages[0]["role"] != "user":
            return "message"
        content = messages[0]["content"]
        return None if isinstance(content, str) and content else "content"

    def do_GET(self):
        self.fail(405, "invalid_request_error", "method")

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.loads(raw)
        model = str(body.get("model"))
        with lock:
            count = seen[model] = seen.get(model, 0) + 1
            with open(log_path, "a") as f:
                f.write(json.dumps({"path": self.path, "bytes": len(raw), "body": body if len(raw) < 4096 else None})
                        + "\n")
        if self.headers.get("x-api-key") != "sk-test":
            return self.fail(401, "authentication_error", "invalid x-api-key SECRET")
        defect = self.defect(body)
        if defect is not None:
            return self.fail(400, "invalid_request_error", defect + " SECRET")
        way, _, how = model.partition("-")
        if way == "unknown":
            return self.fail(404, "not_found_error", "model: unknown SECRET")
        if way == "huge":
            return self.fail(413, "request_too_large", "SECRET")
        if way == "moved":
            return self.answer(302, b"", [("Location", "/v1/messages/count_tokens")])
        if way == "patient":
            return self.fail(429, "rate_limit_error", "SECRET", [("Retry-After", "3600")])
        if way == "over" and count <= int(how):
            return self.fail(429, "rate_limit_error", "SECRET", [("Retry-After", "1")])
        if way == "down" and count <= int(how):
            return self.fail(529, "overloaded_error", "SECRET")
        if way == "reset" and count <= int(how):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return self.connection.close()
        if way == "big":
            return self.answer(200, b" " * 1000000)
        if way == "strange":
            return self.answer(200, odd(how))
        return self.answer(200, {"input_tokens": len(body["messages"][0]["content"].split()) + 7})


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):  # a client that went away is what some tests are about
        pass


server = Server(("127.0.0.1", 0), Api)
with open(port_path + ".new", "w") as f:
    f.write(str(server.server_address[1]))
os.rename(port_path + ".new", port_path)
server.serve_forever()
