#!/usr/bin/env bash
# Clients that no one here wrote send events over the unix socket, and README's examples work as
# they stand there.  npm packages are installed by the test, into the build directory.
. "$(dirname "$0")/lib.sh"
begin clients

npm_dir=$bin/npm-clients
if [ ! -d "$npm_dir/node_modules/fluent-logger" ] || [ ! -d "$npm_dir/node_modules/@fluent-org/logger" ]; then
    mkdir -p "$npm_dir"
    npm install --loglevel error --no-audit --no-fund --fetch-retries 1 --prefix "$npm_dir" \
        @fluent-org/logger@1.0.10 fluent-logger@3.4.1 >/dev/null ||
        fail "npm cannot install @fluent-org/logger and fluent-logger into $npm_dir; this test needs npm's registry"
fi

agent_start
export GBILL_SOCKET=$GBILL_DATA/agent.sock NODE_PATH=$npm_dir/node_modules

events() { "$bin/gbill" log cat --org "$1" | grep -c . || true; }
ids() { "$bin/gbill" log cat --org "$1" | grep -o '"id":"[^"]*"' | sort -u | grep -c . || true; }

# Debian's Python client: no acks, so wait until the log has them.
/usr/bin/python3 - <<'PY'
import os, time
from fluent import sender, event
s = sender.FluentSender("gbill", host="unix://" + os.environ["GBILL_SOCKET"], nanosecond_precision=True)
for i in range(100):
    assert s.emit("usage", {"id": "py-%d" % i, "organizationId": "python", "userId": "u", "type": "chat",
        "provider": "openai", "model": "gpt-4o", "inputTokens": 1000 + i, "outputTokens": i,
        "latencyMs": 12.5, "projectId": None}), s.last_error
assert s.emit_with_time("resource", int(time.time()), {"id": "py-r", "organizationId": "python",
    "resource": "project", "action": "created", "resourceId": "p1"}), s.last_error
s.close()
PY
for _ in $(seq 100); do [ "$(events python)" = 101 ] && break; sleep 0.1; done
[ "$(events python)" = 101 ] || fail "python3-fluent-logger: $(events python) of 101 events"

# npm @fluent-org/logger in each mode, with acks: emit() resolves when the agent has flushed.
cat >"$dir/org.js" <<'JS'
const { FluentClient } = require("@fluent-org/logger");
async function main() {
  for (const mode of ["Message", "Forward", "PackedForward", "CompressedPackedForward"]) {
    const c = new FluentClient("gbill", { socket: { path: process.env.GBILL_SOCKET },
      ack: { ackTimeout: 10000 }, eventMode: mode });
    const all = [];
    for (let i = 0; i < 100; i++)
      all.push(c.emit("usage", { id: `${mode}-${i}`, organizationId: "node", userId: "u", type: "chat",
        provider: "anthropic", model: "claude-sonnet-4-5", createdAt: new Date().toISOString(),
        usage: { input_tokens: 10, cache_read_input_tokens: 4294967296, output_tokens: i } }));
    await Promise.all(all);
    await c.disconnect();
  }
}
main().catch((e) => { console.error(e); process.exit(1); });
JS
node "$dir/org.js" || fail "@fluent-org/logger"
[ "$(events node)" = 400 ] || fail "@fluent-org/logger: $(events node) of 400 acknowledged events are in the log"
[ "$(ids node)" = 400 ] || fail "@fluent-org/logger: $(ids node) of 400 ids"

# npm fluent-logger in its three modes, with acks.
cat >"$dir/old.js" <<'JS'
const logger = require("fluent-logger");
function run(mode) {
  return new Promise((resolve, reject) => {
    const s = logger.createFluentSender("gbill", { path: process.env.GBILL_SOCKET, timeout: 10,
      requireAckResponse: true, ackResponseTimeout: 10000, eventMode: mode });
    s.on("error", reject);
    let left = 100;
    for (let i = 0; i < 100; i++)
      s.emit("usage", { id: `${mode}-${i}`, organizationId: "old", userId: "u", type: "chat", provider: "openai",
        model: "gpt-4o", inputTokens: 4294967296, outputTokens: i, createdAt: Date.now() },
        (e) => { if (e) reject(e); else if (--left === 0) s.end(null, null, resolve); });
  });
}
run("Message").then(() => run("PackedForward")).then(() => run("CompressedPackedForward")).then(() => process.exit(0))
  .catch((e) => { console.error(e); process.exit(1); });
JS
node "$dir/old.js" || fail "fluent-logger"
[ "$(events old)" = 300 ] || fail "fluent-logger: $(events old) of 300 acknowledged events are in the log"
[ "$(ids old)" = 300 ] || fail "fluent-logger: $(ids old) of 300 ids"

# README's examples, as they stand.
example() { awk -v want="\`\`\`$1" '$0 == want {on = 1; next} on && /^```/ {exit} on' README.md; }
example python >"$dir/example.py"; example js >"$dir/example.js"; example c >"$dir/example.c"
for f in py js c; do [ -s "$dir/example.$f" ] || fail "README has no example in $f"; done
/usr/bin/python3 "$dir/example.py" || fail "README's Python example"
node "$dir/example.js" || fail "README's Node example"
cc -std=c11 -Iingest/client "$dir/example.c" "$bin/libgbill.a" -o "$dir/example" ||
    fail "README's C example does not compile"
(cd "$dir" && ./example) || fail "README's C example"
for _ in $(seq 100); do [ "$(events acme)" = 3 ] && break; sleep 0.1; done
[ "$(events acme)" = 3 ] || fail "README's examples: $(events acme) of 3 events"

[ -z "$("$bin/gbill" quarantine list --json | grep number)" ] || fail "$("$bin/gbill" quarantine list)"
"$bin/gbill" log verify >/dev/null
grep -q "\"uid\":$(id -u)" <("$bin/gbill" log cat --count 1) || fail "the sender's uid is not recorded"
agent_stop
echo "804 events of five clients in four languages: all in the log, none in quarantine"
