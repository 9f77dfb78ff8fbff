#!/usr/bin/env python3
"""api_slow.py BASE KEY: a hundred connections that never get done with a head, or a body, a byte at a
time; others are served meanwhile, and each of the hundred is ended by the server."""
import socket
import sys
import time
import urllib.request

base, key = sys.argv[1:]
host, port = base.removeprefix("http://").split(":")
head = b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: "
body = (f"POST /api/billing/usage HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n").encode()
slow = []
for i in range(100):
    s = socket.create_connection((host, int(port)))
    s.sendall(head if i % 2 else body)
    s.setblocking(False)
    slow.append(s)
for _ in range(600):
    with urllib.request.urlopen(base + "/metrics", timeout=10) as answer:
        answer.read()
    still = []
    for s in slow:
        try:
            s.send(b"x")
            if s.recv(4096) == b"":
                s.close()
                continue
        except BlockingIOError:
            pass
        except ConnectionError:
            s.close()
            continue
        still.append(s)
    slow = still
    if not slow:
        sys.exit(0)
    time.sleep(0.1)
sys.exit(f"{len(slow)} slow connections are still there after a minute")
