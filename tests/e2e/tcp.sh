#!/usr/bin/env bash
# The TCP listener with clients that no one here wrote: npm's two Fluent clients with a shared key,
# plain and over TLS; openssl's own client; and those without the key, who get nothing in.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${GBILL_BIN:?set GBILL_BIN to the build directory}
dir=$(mktemp -d /tmp/gbill-tcp-XXXXXX)
agents=()
cleanup() {
    for a in "${agents[@]}"; do kill "$a" 2>/dev/null || true; wait "$a" 2>/dev/null || true; done
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAIL: $*" >&2; [ ! -f "$dir/agent.log" ] || tail -5 "$dir/agent.log" >&2; exit 1; }

npm_dir=$bin/npm-clients
if [ ! -d "$npm_dir/node_modules/fluent-logger" ] || [ ! -d "$npm_dir/node_modules/@fluent-org/logger" ]; then
    mkdir -p "$npm_dir"
    npm install --loglevel error --no-audit --no-fund --fetch-retries 1 --prefix "$npm_dir" \
        @fluent-org/logger@1.0.10 fluent-logger@3.4.1 >/dev/null ||
        fail "npm cannot install @fluent-org/logger and fluent-logger into $npm_dir; this test needs npm's registry"
fi
export NODE_PATH=$npm_dir/node_modules

# What is refused at the start.
refused() { # WORDS OPTION...
    local words=$1 status=0
    shift
    "$bin/gbill-agent" --check --data "$dir/data" "$@" 2>"$dir/err" || status=$?
    [ "$status" = 3 ] && grep -q -e "$words" "$dir/err" || fail "$* gave $status and $(cat "$dir/err")"
}
(umask 077; openssl rand -hex 32 >"$dir/key"; echo short >"$dir/short")
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout "$dir/tls.key" -out "$dir/tls.crt" 2>/dev/null
openssl genrsa -out "$dir/other.key" 2048 2>/dev/null
refused "needs --shared-key-file" --listen 127.0.0.1:0
refused "must have 16" --listen 127.0.0.1:0 --shared-key-file "$dir/short"
refused "with --listen only" --shared-key-file "$dir/key"
refused "together" --listen 127.0.0.1:0 --shared-key-file "$dir/key" --tls-cert "$dir/tls.crt"
refused "TLS key .*private key" --listen 127.0.0.1:0 --shared-key-file "$dir/key" \
    --tls-cert "$dir/tls.crt" --tls-key "$dir/other.key"
refused "TLS certificate .*PEM" --listen 127.0.0.1:0 --shared-key-file "$dir/key" \
    --tls-cert "$dir/key" --tls-key "$dir/tls.key"

start() { # NAME OPTION...: sets port
    local name=$1
    shift
    "$bin/gbill-agent" --data "$dir/$name" --shared-key-file "$dir/key" "$@" 2>"$dir/agent.log" &
    agents+=($!)
    for _ in $(seq 200); do grep -q event=listening "$dir/agent.log" && break; sleep 0.05; done
    port=$(sed -n 's/.* tcp=[^ ]*:\([0-9]*\) .*/\1/p' "$dir/agent.log" | head -1)
    [ -n "$port" ] || fail "the agent does not say where it listens"
}
stop() { kill "${agents[-1]}"; wait "${agents[-1]}" || fail "the agent did not end with 0"; unset "agents[-1]"; }
events() { "$bin/gbill" log cat --data "$1" --org "$2" | grep -c . || true; }

cat >"$dir/clients.js" <<'JS'
const fs = require("fs");
const { FluentClient } = require("@fluent-org/logger");
const old = require("fluent-logger");
const [port, key, ca] = [Number(process.env.PORT), process.env.KEY, process.env.CA];
const event = (id, org) => ({ id, organizationId: org, userId: "u", type: "chat", provider: "openai",
  model: "gpt-4o", inputTokens: 10, outputTokens: 5, createdAt: Date.now() });
async function org() {
  const c = new FluentClient("gbill", { ack: { ackTimeout: 10000 }, eventMode: "CompressedPackedForward",
    security: { clientHostname: "node-client", sharedKey: key },
    socket: { host: "localhost", port, tls: ca ? { ca: fs.readFileSync(ca) } : undefined } });
  const all = [];
  for (let i = 0; i < 100; i++) all.push(c.emit("usage", event("o-" + i, "node")));
  await Promise.all(all);
  await c.disconnect();
}
function older() {
  return new Promise((resolve, reject) => {
    const s = old.createFluentSender("gbill", { host: "localhost", port, timeout: 10, requireAckResponse: true,
      ackResponseTimeout: 10000, security: { clientHostname: "old-client", sharedKey: key }, tls: !!ca,
      tlsOptions: ca ? { ca: fs.readFileSync(ca) } : undefined });
    s.on("error", reject);
    let left = 100;
    for (let i = 0; i < 100; i++)
      s.emit("usage", event("f-" + i, "old"), (e) => { if (e) reject(e); else if (--left === 0) s.end(null, null, resolve); });
  });
}
// Node ends with 0 when nothing is left to wait for, even if a promise never came true.
org().then(older).then(() => { console.log("all acknowledged"); process.exit(0); }).catch((e) => { console.error(e); process.exit(1); });
JS

# Plain, on the loopback; then on every address, which is warned of.
start plain --listen 127.0.0.1:0
clients() { timeout 60 node "$dir/clients.js" | grep -q "all acknowledged"; }
PORT=$port KEY=$(cat "$dir/key") clients || fail "clients with the shared key"
[ "$(events "$dir/plain" node)" = 100 ] && [ "$(events "$dir/plain" old)" = 100 ] ||
    fail "plain: $(events "$dir/plain" node) and $(events "$dir/plain" old) of 100 events"
if PORT=$port KEY=another-key-of-some-length clients 2>/dev/null; then
    fail "a client with another key was told that all is well"
fi
grep -q 'event=rejected from=127.0.0.1 reason="the peer has another shared key"' "$dir/agent.log" ||
    fail "the wrong key is not in the journal"
timeout 5 openssl s_client -connect "127.0.0.1:$port" </dev/null >/dev/null 2>&1 || true
for _ in $(seq 100); do grep -q 'looks like TLS' "$dir/agent.log" && break; sleep 0.05; done
grep -q 'looks like TLS' "$dir/agent.log" || fail "TLS without --tls-cert is not named"
! grep -q plaintext "$dir/agent.log" || fail "the loopback is warned of"
! grep -qF "$(cat "$dir/key")" "$dir/agent.log" || fail "the key is in the journal"
grep -q '"uid":4294967295' <("$bin/gbill" log cat --data "$dir/plain" --count 1) || fail "a uid for what came over TCP"
stop
start open --listen '*:0'
grep -q 'level=warn event=plaintext' "$dir/agent.log" || fail "no warning of bytes that can be read"
stop

# TLS: the clients check the certificate; nothing older than TLS 1.2; no plain bytes.
start tls --listen 127.0.0.1:0 --tls-cert "$dir/tls.crt" --tls-key "$dir/tls.key"
PORT=$port KEY=$(cat "$dir/key") CA=$dir/tls.crt clients || fail "clients over TLS"
[ "$(events "$dir/tls" node)" = 100 ] && [ "$(events "$dir/tls" old)" = 100 ] ||
    fail "TLS: $(events "$dir/tls" node) and $(events "$dir/tls" old) of 100 events"
said() { # VERSION: what openssl's client says of the connection
    timeout 5 openssl s_client -connect "127.0.0.1:$port" -CAfile "$dir/tls.crt" "$@" </dev/null 2>&1 || true
}
said -tls1_3 | grep -q 'New, TLSv1.3, Cipher is TLS_' || fail "openssl over TLS 1.3"
said -tls1_2 | grep -q 'New, TLSv1.2, Cipher is ECDHE' || fail "openssl over TLS 1.2"
said -tls1_1 -cipher 'ALL:@SECLEVEL=0' | grep -q 'Cipher is (NONE)' || fail "TLS 1.1 is spoken"
# HELO comes through TLS at once, and to nobody who does not speak it.
{ timeout 1 openssl s_client -quiet -connect "127.0.0.1:$port" </dev/null 2>/dev/null || true; } |
    grep -aq HELO || fail "no HELO through TLS"
printf 'GET / HTTP/1.1\r\n\r\n' | timeout 5 /usr/bin/python3 -c '
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1]))); s.sendall(sys.stdin.buffer.read())
assert b"HELO" not in s.recv(4096)' "$port" 2>/dev/null || true
for _ in $(seq 100); do grep -q 'looks like HTTP; this listener' "$dir/agent.log" && break; sleep 0.05; done
grep -q 'looks like HTTP; this listener' "$dir/agent.log" || fail "plain bytes at the TLS listener are not named"
"$bin/gbill" log verify --data "$dir/tls" >/dev/null
stop
grep -q 'quarantined=0' "$dir/agent.log" || fail "$(tail -1 "$dir/agent.log")"
echo "400 events over TCP by two clients with a shared key, half of them through TLS; nobody else gets in"
