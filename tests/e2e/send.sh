#!/usr/bin/env bash
# gbill send against the real agent: totals, the same file twice, malformed lines, an agent that is
# absent, and one that is killed in the middle.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${GBILL_BIN:?set GBILL_BIN to the build directory}
dir=$(mktemp -d /tmp/gbill-send-XXXXXX)
traces=tests/data/azure-llm
agent= sender=
cleanup() {
    for pid in $sender $agent; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }

start_agent() {
    "$bin/gbill-agent" --data "$1" 2>>"$dir/agent.log" &
    agent=$!
    for _ in $(seq 200); do
        if "$bin/gbill" send --data "$1" "$dir/none.jsonl" >/dev/null 2>&1; then return; fi
        sleep 0.05
    done
    fail "the agent does not come up: $(tail -1 "$dir/agent.log")"
}
stop_agent() {
    kill "$agent"
    wait "$agent" || fail "the agent ended with $?"
    agent=
}
: >"$dir/none.jsonl"

# send STATUS ARGUMENT...: run it, demand the exit status; stdout and stderr are kept.
send() {
    local want=$1 status=0
    shift
    "$bin/gbill" send --json "$@" >"$dir/out" 2>"$dir/err" || status=$?
    [ "$status" = "$want" ] || fail "send $*: exit status $status, not $want: $(cat "$dir/err")"
}
# out KEY VALUE: the summary says so.
out() { grep -q "\"$1\":$2[,}]" "$dir/out" || fail "$1 is not $2: $(cat "$dir/out")"; }
err() { grep -qF -- "$1" "$dir/err" || fail "no \"$1\" in: $(cat "$dir/err")"; }

# distinct DATA: events, distinct events and their token sums, as the log has them.
distinct() {
    "$bin/gbill" log cat --data "$1" | /usr/bin/python3 -c '
import json, sys
lines, seen = 0, {}
for line in sys.stdin:
    e = json.loads(line)
    r = e.get("record", e)
    lines += 1
    key = (r["organizationId"], r["id"])
    value = (r["inputTokens"], r["outputTokens"])
    assert seen.setdefault(key, value) == value, key
print(lines, len(seen), sum(v[0] for v in seen.values()), sum(v[1] for v in seen.values()))'
}
# What the CSV files say, computed apart from gbill: calls and the two column sums.
sums=$(awk -F, 'FNR > 1 {n++; a += $2; b += $3} END {printf "%d %d %d", n, a, b}' \
    $traces/AzureLLMInferenceTrace_conv.csv $traces/AzureLLMInferenceTrace_code.csv)
conv_sums=$(awk -F, 'FNR > 1 {n++; a += $2; b += $3} END {printf "%d %d %d", n, a, b}' \
    $traces/AzureLLMInferenceTrace_conv.csv)

# No agent: at once, with the socket and the remedy.
mkdir "$dir/a"
send 13 --data "$dir/a" --format azure-llm $traces/AzureLLMInferenceTrace_conv.csv
err "$dir/a/agent.sock" && err "start gbill-agent"

# Both traces: the log holds their sums.  Sent again: not one event more.
start_agent "$dir/a"
send 0 --data "$dir/a" --format azure-llm $traces/*.csv
out sent 28185 && out acked 28185 && out badLines 0 && out toQuarantine 0
err "is moved to"
[ "$(distinct "$dir/a")" = "28185 $sums" ] || fail "$(distinct "$dir/a") is not 28185 $sums"
send 0 --data "$dir/a" --format azure-llm $traces/*.csv
[ "$(distinct "$dir/a")" = "56370 $sums" ] || fail "sent again: $(distinct "$dir/a")"
stop_agent

# A malformed line 5000: what stands before it is in the log, the line is named; mended and sent
# again the file counts once.
mkdir "$dir/b"
start_agent "$dir/b"
conv=$traces/AzureLLMInferenceTrace_conv.csv
sed '5000s/,[0-9]*,/,abc,/' $conv >"$dir/bad.csv"
send 4 --data "$dir/b" --format azure-llm "$dir/bad.csv"
err 'bad.csv:5000: ContextTokens is "abc", must be a whole number; the 4998 events before it are in the log'
out acked 4998
[ "$(distinct "$dir/b" | cut -d' ' -f1,2)" = "4998 4998" ] || fail "$(distinct "$dir/b")"
send 4 --data "$dir/b" --format azure-llm --skip-bad "$dir/bad.csv"
err "skipped $dir/bad.csv:5000:" && err "1 bad line was skipped" && out acked 19365 && out badLines 1
cp $conv "$dir/mended.csv"
send 0 --data "$dir/b" --format azure-llm "$dir/mended.csv"
[ "$(distinct "$dir/b" | cut -d' ' -f2-)" = "$conv_sums" ] || fail "mended: $(distinct "$dir/b")"

# 25 bad lines: 20 are shown, all are counted.
{ head -1 $conv; for i in $(seq 25); do echo "x,$i,1"; done; sed -n 2,3p $conv; } >"$dir/many.csv"
send 4 --data "$dir/b" --format azure-llm --skip-bad "$dir/many.csv"
[ "$(grep -c 'skipped .*many.csv:' "$dir/err")" = 20 ] || fail "$(cat "$dir/err")"
out badLines 25 && out acked 2
stop_agent

# JSON lines and mapped CSV; standard input; an event that breaks the contract is named.
mkdir "$dir/c"
start_agent "$dir/c"
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
call='"organizationId":"acme","userId":"u","type":"chat","provider":"openai","model":"gpt-4o"'
printf '{%s,"createdAt":"%s","inputTokens":5,"outputTokens":7}\n' "$call" "$now" |
    send 0 --data "$dir/c" --format jsonl -
printf 'org,user,kind of call,by,llm,when,tokens_in,tokens_out\r\n"acme",u,"chat",openai,gpt-4o,%s,11,13\r\n' \
    "$now" >"$dir/map.csv"
send 0 --data "$dir/c" "$dir/map.csv" --map "organizationId=org,userId=user,type=kind of call,\
provider=by,model=llm,createdAt=when,inputTokens=tokens_in,outputTokens=tokens_out"
[ "$(distinct "$dir/c")" = "2 2 16 20" ] || fail "$(distinct "$dir/c")"
printf '{"organizationId":"acme","createdAt":"%s"}\n' "$now" | send 0 --data "$dir/c" --format jsonl -
err "standard input:1: userId is missing" && out toQuarantine 1 && out acked 1
send 2 --data "$dir/c" "$dir/map.csv" --map userId=nobody
err 'no column "nobody"'
send 6 --data "$dir/c" "$dir/missing.csv"
send 2 --data "$dir/c" --format xml "$dir/map.csv"
stop_agent

# kill -9 in the middle, three times: the sender connects again, sends again and ends well.
mkdir "$dir/d"
start_agent "$dir/d"
"$bin/gbill" send --json --data "$dir/d" --format azure-llm --rate 8000 $conv >"$dir/out" 2>"$dir/err" &
sender=$!
for _ in 1 2 3; do
    sleep 0.5
    kill -0 "$sender" 2>/dev/null || fail "the sender is not under way any more: $(cat "$dir/err")"
    kill -9 "$agent"
    wait "$agent" 2>/dev/null || true
    sleep 0.1
    "$bin/gbill-agent" --data "$dir/d" 2>>"$dir/agent.log" &
    agent=$!
done
status=0
wait "$sender" || status=$?
sender=
[ "$status" = 0 ] || fail "the sender ended with $status: $(cat "$dir/err")"
out acked 19366
[ "$(distinct "$dir/d" | cut -d' ' -f2-)" = "$conv_sums" ] || fail "killed: $(distinct "$dir/d")"
"$bin/gbill" log verify --data "$dir/d" >/dev/null || fail "log verify"

# An agent that never comes back: the sender gives up after --timeout and says what is left.
"$bin/gbill" send --data "$dir/d" --format azure-llm --timeout 1 --rate 5000 $conv >"$dir/out" 2>"$dir/err" &
sender=$!
sleep 0.5
kill -9 "$agent"
wait "$agent" 2>/dev/null || true
agent=
status=0
wait "$sender" || status=$?
sender=
[ "$status" = 13 ] || fail "exit status $status, not 13: $(cat "$dir/err")"
err "events are not acknowledged"
echo "send: ok"
