#!/usr/bin/env bash
# The agent's memory stays within 64 MiB: 1,000 connections in the middle of a message each, messages of
# 7 MiB, gzip bombs, and entries that blow up in the quarantine.  Peak resident memory as the kernel
# counts it (VmHWM).
set -euo pipefail
bin=${GBILL_BIN:?set GBILL_BIN to the build directory}
dir=$(mktemp -d /tmp/gbill-memory-XXXXXX)
agent=
cleanup() {
    if [ -n "$agent" ]; then kill "$agent" 2>/dev/null || true; wait "$agent" 2>/dev/null || true; fi
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }
ulimit -n 4096 2>/dev/null || fail "this test opens 2,000 files; ulimit -n says $(ulimit -n)"

for load in crowd large bombs; do
    "$bin/gbill-agent" --data "$dir/$load" 2>"$dir/agent.log" &
    agent=$!
    for _ in $(seq 200); do [ -S "$dir/$load/agent.sock" ] && break; sleep 0.05; done
    timeout 100 /usr/bin/python3 - "$dir/$load/agent.sock" "$load" <<'PY' || fail "$load: $(tail -2 "$dir/agent.log")"
import gzip, os, random, selectors, socket, struct, sys, time
path, load = sys.argv[1:]
def text(s):
    b = s.encode()
    return (bytes([0xa0 | len(b)]) if len(b) < 32 else b"\xd9" + bytes([len(b)])) + b
def record(i):
    r = {"id": "%032x" % random.getrandbits(128), "organizationId": "acme%d" % (i % 100), "userId": "u",
         "type": "chat", "provider": "openai", "model": "gpt-4o"}
    return (bytes([0x80 | len(r) + 2]) + b"".join(text(k) + text(v) for k, v in r.items()) +
            text("inputTokens") + b"\xcd\x04\xa3" + text("outputTokens") + b"\xcc\xe6")
def message(entries, option=b"\x81" + text("chunk") + text("c")):
    return b"\x93" + text("gbill.usage") + b"\xc6" + struct.pack(">I", len(entries)) + entries + option
def dial():
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    return s
now = b"\x92\xce" + struct.pack(">I", int(time.time()))
def send_all(conns, whole, times, step):
    """Each sends whole so often, all of them a step at a time, and waits for its acks."""
    sel, left = selectors.DefaultSelector(), conns
    for _ in range(conns):
        s = dial()
        s.setblocking(False)
        sel.register(s, selectors.EVENT_READ | selectors.EVENT_WRITE, [0, 0])
    while left:
        for key, events in sel.select():
            s, at = key.fileobj, key.data
            if events & selectors.EVENT_WRITE and at[0] < times * len(whole):
                start = at[0] % len(whole)
                try:
                    at[0] += s.send(whole[start:start + step])
                except BlockingIOError:
                    pass
                if at[0] == times * len(whole):
                    sel.modify(s, selectors.EVENT_READ, at)
            if events & selectors.EVENT_READ:
                got = s.recv(65536)
                assert got, "the agent closed a connection"
                at[1] += len(got)
                if at[1] == times * 7:
                    sel.unregister(s)
                    s.close()
                    left -= 1
if load == "crowd":
    send_all(1000, message(b"".join(now + record(i) for i in range(500))), 1, 70000)
if load == "large":
    entries = b"".join(now + record(i) for i in range(45000))
    send_all(8, message(entries), 1, 200000)
    packed = gzip.compress(entries, 1)
    send_all(8, message(packed, b"\x82" + text("chunk") + text("c") + text("compressed") + text("gzip")), 1, 200000)
if load == "bombs":
    option = b"\x81" + text("compressed") + text("gzip")
    zeros = gzip.compress(bytes(8 * 1024 * 1024 - 1))
    bombs = [message(zeros, option), message(gzip.compress(os.urandom(42000)) + zeros * 3, option),
             message(zeros[:-3], option), message(b"\x92\x00\x80" * 2600000, b"\x80")]
    keeper = dial()
    for i in range(60):
        s = dial()
        s.sendall(bombs[i % len(bombs)])
        assert s.recv(16) == b"", "a bomb was taken"
        s.close()
        keeper.sendall(message(now + record(i)))
        assert keeper.recv(16) == b"\x81\xa3ack\xa1c"
PY
    peak=$(awk '/VmHWM/ {print $2}' "/proc/$agent/status")
    kill "$agent"
    wait "$agent" || fail "$load: the agent did not end with 0"
    agent=
    [ "$peak" -le 65536 ] || fail "$load: $peak KiB at the peak, limit is 65536"
    echo "$load: $((peak / 1024)) MiB at the peak"
done
