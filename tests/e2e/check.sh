#!/usr/bin/env bash
# gbill check against a real agent and real jobs: it agrees with gbill limits when all is quiet,
# counts what came since, reserves, settles, releases and lets expire; a kill -9 loses no
# reservation; a thousand callers at once overshoot by nothing and leave nothing held.
. "$(dirname "$0")/lib.sh"
begin check
get() { python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$dir/out" "$1"; }
# ask STATUS WORDS OPTION...: without words nothing is said on stderr
ask() {
    local status=0
    gbill check --json --org "${@:3}" >"$dir/out" 2>"$dir/err" || status=$?
    [ "$status" = "$1" ] || fail "check ${*:3}: exit status $status, expected $1: $(cat "$dir/out" "$dir/err")"
    grep -qF -- "$2" "$dir/out" "$dir/err" || fail "check ${*:3}: no \"$2\" in $(cat "$dir/out" "$dir/err")"
}

now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
# use ID ORG TOKENS [HOLD]
use() {
    printf '{"id":"%s","organizationId":"%s","userId":"u","type":"chat","provider":"openai","model":"gpt-4o-mini","inputTokens":%s,"outputTokens":0,"createdAt":"%s"%s}\n' \
        "$1" "$2" "$3" "$now" "${4:+,\"hold\":\"$4\"}" | gbill send --format jsonl - >/dev/null
}
jobs_run() { gbill rollup >/dev/null && gbill limits >/dev/null; }

agent_start
ask 6 'nothing is known' acme --tokens 10
same "$(get known)" False "before the first run"
use a1 acme 60000
jobs_run
sleep 1.1

# A text is counted here, with its model's tokens, or by its bytes: never too little.
ask 0 '' acme --tokens 500 --text README.md --model gpt-4o --reserve --hold text-1
counted=$(gbill tokens count --model gpt-4o README.md)
same "$(get held)" $((counted + 500)) "held for a text"
ask 0 '' acme --text LICENSE --tokens 0 --model claude-opus-4-1 --reserve --hold text-2
same "$(get held)" $((counted + 500 + $(wc -c <LICENSE))) "held for a text of an unknown tokenizer"
expect 2 'text FILE and --model NAME go together' gbill check --org acme --text README.md
expect 6 'none' gbill check --org acme --text "$dir/none" --model gpt-4o
for hold in text-1 text-2; do ask 0 '' acme --release --hold "$hold"; done

# Quiet: the same as gbill limits says.
gbill limits --org acme --json >"$dir/limits"
for pair in ai:ai_credits project:projects document:documents member:members; do
    ask 0 '' acme --action "${pair%%:*}"
    python3 - "$dir/limits" "$dir/out" "${pair##*:}" <<'P' || fail "check and limits differ on $pair: $(cat "$dir/out")"
import json, sys
rows = json.load(open(sys.argv[1])) if open(sys.argv[1]).read(1) == "[" else [json.loads(l) for l in open(sys.argv[1])]
row = next(r for r in rows if r["dimension"] == sys.argv[3])
a = json.load(open(sys.argv[2]))
assert all(row[k] == a[k] for k in ("used", "limit", "remaining", "allowed", "plan")), (row, a)
P
done
ask 5 'beyond the plan starter; the plan pro has more' acme --tokens 40001
same "$(get upgradeTo) $(get used) $(get limit) $(get remaining)" "pro 60000 100000 40000" "a refusal"
[ "$(get resetAt)" != None ] || fail "a refusal without resetAt"
ask 0 '' acme --tokens 40000

# What came since, before any job has run.
use a2 acme 39000
ask 5 'beyond' acme --tokens 1001
same "$(get used)" 99000 "used with what came since"
ask 0 '' new --tokens 100000
ask 5 'beyond' new --tokens 100001

# A reservation counts; the same id again is the same one; released it is free, twice is harmless.
ask 0 '' acme --tokens 600 --reserve --hold h1
ask 0 '' acme --tokens 600 --reserve --hold h1
same "$(get held)" 600 "reserved twice under one id"
ask 5 '600 reserved' acme --tokens 401
ask 0 '' acme --release --hold h1
ask 0 '' acme --release --hold h1
ask 0 '' acme --tokens 1000
ask 5 '' acme --tokens 600 --reserve --hold h1 # it has ended

# Let in by its tokens, it counts with the most that it can use: used, held and left are the limit all the while.
ask 0 '' acme --tokens 300 --max-tokens 800 --reserve --hold b1
same "$(get held) $(get remaining)" "800 200" "reserved with a bound"
ask 5 '800 reserved; 201 more' acme --tokens 201 --reserve --hold b2
ask 0 '' acme --tokens 200 --max-tokens 5000 --reserve --hold b2
same "$(get used) $(get held) $(get remaining)" "99000 1000 0" "reserved up to more than there is"
ask 5 '1000 reserved; 1 more' acme
for hold in b1 b2; do ask 0 '' acme --release --hold "$hold"; done
ask 0 '' acme
same "$(get held) $(get remaining)" "0 1000" "released with a bound"
expect 2 '--max-tokens N goes with --reserve' gbill check --org acme --max-tokens 5
expect 2 '--max-tokens 5 is less than --tokens 6' gbill check --org acme --tokens 6 --max-tokens 5 --reserve --hold b3
ask 4 'maxTokens is for action ai alone' acme --action project --max-tokens 5 --reserve --hold b3
printf 'twenty bytes of text' >"$dir/text" # counted into both
ask 0 '' acme --text "$dir/text" --model claude-opus-4-1 --tokens 10 --max-tokens 80 --reserve --hold b4
same "$(get held)" 100 "reserved with a text and a bound"
ask 0 '' acme --release --hold b4

# Kill -9: reservations and what came since are still there; settled by its event, once.
ask 0 '' acme --tokens 700 --reserve --hold h2
kill -9 "$agent"; wait "$agent" 2>/dev/null || true
agent_start
ask 5 '99000 of 100000 AI credits used, 700 reserved' acme --tokens 301
use a3 acme 500 h2
ask 0 '' acme --tokens 500
same "$(get used) $(get held)" "99500 0" "settled"
use a3 acme 500 h2
ask 0 '' acme --tokens 500
same "$(get used) $(get held)" "99500 0" "settled again by the same event"
kill -9 "$agent"; wait "$agent" 2>/dev/null || true
agent_start
ask 0 '' acme --tokens 1
same "$(get held)" 0 "settled, then killed"
jobs_run
sleep 1.1
ask 0 '' acme --tokens 500
same "$(get used) $(get held)" "99500 0" "folded"

# It is over after its life.
ask 0 '' acme --tokens 500 --reserve --hold h3 --life 1
ask 5 '' acme
sleep 2.3
ask 0 '' acme --tokens 500

# A thousand callers at once, each with a connection: what was allowed is what there was.
python3 - "$GBILL_DATA/agent.sock" "$GBILL_DATA/status.sock" <<'P' || fail "a thousand callers"
import socket, sys, struct
def text(s): return bytes([0xd9, len(s)]) + s.encode()
def ask(op, org, hold, tokens):
    pairs = [("op", text(op)), ("organizationId", text(org)), ("action", text("ai")), ("hold", text(hold)),
             ("tokens", b"\xcf" + struct.pack(">Q", tokens))]
    record = bytes([0x80 | len(pairs)]) + b"".join(text(k) + v for k, v in pairs)
    return b"\x94" + text("gbill.live") + b"\x00" + record + b"\x81" + text("chunk") + text("c")
callers = []
for i in range(1000):
    s = socket.socket(socket.AF_UNIX); s.settimeout(30); s.connect(sys.argv[1]); callers.append(s)
for i, s in enumerate(callers): s.sendall(ask("reserve", "crowd", "c%d" % i, 700))
answers = [s.recv(4096) for s in callers]
allowed = [i for i, a in enumerate(answers) if b"allowed\xc3" in a]
refused = [a for a in answers if b"allowed\xc2" in a]
assert len(allowed) == 142 and len(refused) == 858, (len(allowed), len(refused)) # 142 * 700 <= 100000
assert all(b"upgradeTo\xda\x00\x03pro" in a for a in refused)
for i in allowed: callers[i].sendall(ask("release", "crowd", "c%d" % i, 0))
assert all(b"released" in callers[i].recv(4096) for i in allowed)
figures = socket.socket(socket.AF_UNIX); figures.connect(sys.argv[2])
figures.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
shown = b"".join(iter(lambda: figures.recv(65536), b"")).decode()
figure = lambda name: int(next(l.split()[-1] for l in shown.splitlines() if l.startswith("gbill_agent_" + name)))
for name, at_least in (('live_questions_total{op="reserve"}', 1000), ("live_refused_total", 858),
                       ('holds_ended_total{how="released"}', 142), ('holds_ended_total{how="expired"}', 1)):
    assert figure(name) >= at_least, (name, figure(name))
assert figure("holds ") == 0, "a reservation is left"
# Hostile: a wrong question is answered, and the connection lives.
s = callers[0]
s.sendall(ask("steal", "crowd", "x", 1)); assert b"error" in s.recv(4096)
s.sendall(ask("check", "crowd", "x" * 100, 1)); assert b"error" in s.recv(4096)
s.sendall(ask("check", "crowd", "x", 100000)); assert b"allowed\xc3" in s.recv(4096)
P
agent_stop
