#!/usr/bin/env bash
# gbill status and the agent's status socket: the figures are Prometheus' text format, strictly; a
# scraper's HTTP works; each state has its exit status; JSON is JSON; on a full disk it is said.
. "$(dirname "$0")/lib.sh"
begin status
events() { # FROM TO
    seq "$1" "$2" | sed 's/.*/{"id":"ev-&","organizationId":"solo","userId":"u","type":"chat","provider":"openai","model":"gpt-4o","inputTokens":1000,"outputTokens":10}/'
}
# state NAME STATUS ARGUMENT...: both forms say it, and the exit status
state() {
    local name=$1 want=$2 status=0
    shift 2
    "$bin/gbill" status "$@" >"$dir/out" 2>"$dir/err" || status=$?
    [ "$status" = "$want" ] || fail "status $*: exit status $status, expected $want: $(cat "$dir/err")"
    grep -qE "^state +$name$" "$dir/out" || fail "status $*: not $name: $(head -1 "$dir/out")"
    [ "$(wc -l <"$dir/out")" -le 24 ] || fail "not one screen: $(wc -l <"$dir/out") lines"
    ! grep -qE '^.{101}' "$dir/out" || fail "over 100 columns: $(cat "$dir/out")"
    [ "$(wc -l <"$dir/err")" = $((want > 0)) ] || fail "not one line on stderr: $(cat "$dir/err")"
    "$bin/gbill" status --json "$@" >"$dir/json" 2>/dev/null || true
    python3 -c 'import json, sys
s = json.load(open(sys.argv[1]))
assert s["state"] == sys.argv[2], s["state"]
assert (s["reason"] == "") == (s["state"] == "ok")' "$dir/json" "$name" || fail "JSON: $(cat "$dir/json")"
}
json() { python3 -c 'import json, sys; print(eval("json.load(open(sys.argv[1]))" + sys.argv[2]))' "$dir/json" "$1"; }

status=0
"$bin/gbill" status >/dev/null 2>&1 || status=$?
[ "$status" = 6 ] || fail "without a data directory: exit status $status, expected 6"
agent_start
state ok 0
events 1 1000 | "$bin/gbill" send --format jsonl --chunk 100 - >/dev/null
# Ten chunks, or a few more: while nothing is under way the client sends a chunk that is not full.
state ok 0
messages=$(json '["agent"]["messages"]')
[ "$messages" -ge 10 ] || fail "messages: $messages"
echo '{"id":"bad","organizationId":"solo","type":"chat"}' | "$bin/gbill" send --format jsonl - >/dev/null
state ok 0
[ "$(json '["agent"]["events"]')" = 1000 ] || fail "events: $(json '["agent"]["events"]')"
[ "$(json '["log"]["position"]')" = 1000 ] && [ "$(json '["log"]["quarantinePosition"]')" = 1 ] ||
    fail "log: $(json '["log"]')"
[ "$(json '["rollup"]["behindEvents"]')" = 1000 ] || fail "rollup: $(json '["rollup"]')"
[ "$(json '["agent"]["flush"]["count"]')" -ge 1 ] || fail "no flush was timed"
"$bin/gbill" rollup >/dev/null
state ok 0
[ "$(json '["rollup"]["position"]')" = 1000 ] && [ "$(json '["rollup"]["behindEvents"]')" = 0 ] ||
    fail "rollup: $(json '["rollup"]')"
[ "$(json '["publish"]["owedRows"]')" -ge 1 ] || fail "nothing is owed to Postgres"

# A scraper: Python's HTTP client over the unix socket, judged by rules that no one here wrote.
cat >"$dir/scrape.py" <<'PY'
import http.client, socket, sys
class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(sys.argv[1])
http_ = Unix("agent", timeout=10)
http_.request("GET", "/metrics", headers={"Accept": "text/plain;version=0.0.4"})
answer = http_.getresponse()
assert answer.status == 200, answer.status
assert answer.getheader("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
sys.stdout.write(answer.read().decode())
PY
python3 "$dir/scrape.py" "$GBILL_DATA/status.sock" >"$dir/scraped"
python3 tests/e2e/exposition.py 'gbill_agent_events_total=1000' "gbill_agent_messages_total=$((messages + 1))" \
    'gbill_agent_quarantined_total{reason="record"}=1' 'gbill_agent_next_sequence{stream="events"}=1001' \
    'gbill_agent_commit_events_sum=1001' 'gbill_agent_received_bytes_total=10000+' \
    'gbill_agent_flush_seconds_count=1+' 'gbill_agent_ack_seconds_count=1+' \
    'gbill_agent_connections_accepted_total=2' 'gbill_agent_disk_full=0' <"$dir/scraped" ||
    fail "the agent's text"
"$bin/gbill" status --prometheus | python3 tests/e2e/exposition.py 'gbill_agent_events_total=1000' \
    'gbill_agent_up=1' 'gbill_log_position{stream="events"}=1000' 'gbill_rollup_behind_events=0' ||
    fail "the text of gbill status"
"$bin/gbill" status --watch 1 >"$dir/watched" & watcher=$!
sleep 1.5
kill "$watcher"
wait "$watcher" 2>/dev/null || true
grep -q 'events/s' "$dir/watched" || fail "--watch printed nothing"

events 1001 1001 | "$bin/gbill" send --format jsonl - >/dev/null
sleep 2.1
state behind 5 --behind 1
agent_stop
state agent_down 13 --behind 1
"$bin/gbill" status --prometheus --output "$dir/gbill.prom"
python3 tests/e2e/exposition.py 'gbill_agent_up=0' 'gbill_rollup_behind_events=1' <"$dir/gbill.prom" ||
    fail "the text without an agent"

mkdir "$dir/small"
if ! mount -t tmpfs -o size=16m tmpfs "$dir/small" 2>/dev/null; then
    echo "states and figures are right; the full disk is skipped: no tmpfs may be mounted here"
    exit 0
fi
at_end() { umount -l "$dir/small"; }
export GBILL_DATA=$dir/small/data
agent_start
events 1 2 | "$bin/gbill" send --format jsonl - >/dev/null
dd if=/dev/zero of="$dir/small/fill" bs=4K 2>/dev/null || true
# Texts that do not compress, so that they need new pages.
python3 -c 'import json, os
for i in range(3000):
    print(json.dumps({"id": "f-%d" % i, "organizationId": "solo", "userId": "u", "metadata": {"n%d" % n: os.urandom(120).hex() for n in range(12)},
        "type": "chat", "provider": "openai", "model": "gpt-4o", "inputTokens": i, "outputTokens": 1}))' >"$dir/fill.jsonl"
"$bin/gbill" send --timeout 60 "$dir/fill.jsonl" >"$dir/sent" 2>&1 & sender=$! children=$!
for _ in $(seq 100); do grep -q event=disk_full "$dir/agent.log" && break; sleep 0.05; done
state disk_full 11 --space 0
sleep 0.2
rm "$dir/small/fill"
wait "$sender" || fail "the sender did not end well: $(cat "$dir/sent")"
state ok 0 --space 0
python3 "$dir/scrape.py" "$GBILL_DATA/status.sock" | python3 tests/e2e/exposition.py \
    'gbill_agent_stalls_total{reason="disk_full"}=1' 'gbill_agent_disk_full=0' \
    'gbill_agent_stalled_seconds_total{reason="disk_full"}=0.2+' 'gbill_agent_events_total=3002' ||
    fail "the full disk's figures"
echo "figures, states and exit statuses are right, the full disk's too"
