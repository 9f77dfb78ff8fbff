#!/usr/bin/env bash
# kill -9 of the agent at random moments under load: every acknowledged event is in the log,
# the log verifies, the sender finishes, the totals are exact.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${GBILL_BIN:?set GBILL_BIN to the build directory}
kills=${KILLS:-60}
dir=$(mktemp -d /tmp/gbill-kill-XXXXXX)
agent= sender= large=
cleanup() {
    for pid in $agent $sender $large; do kill -9 "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }
export GBILL_DATA=$dir/data

traces="tests/data/azure-llm/AzureLLMInferenceTrace_conv.csv tests/data/azure-llm/AzureLLMInferenceTrace_code.csv"
sums=$(awk -F, 'FNR > 1 {sub(/\r$/, ""); calls++; input += $2; output += $3} END {printf "%d %d %d", calls, input, output}' $traces)

start_agent() { "$bin/gbill-agent" --data "$GBILL_DATA" 2>>"$dir/agent.log" & agent=$!; }
wait_socket() { for _ in $(seq 400); do [ -S "$GBILL_DATA/agent.sock" ] && return; sleep 0.02; done; fail "the agent does not come up: $(tail -3 "$dir/agent.log")"; }

start_agent
wait_socket
# Two senders go through the traces again and again until all kills are done: one with small chunks,
# so that a kill finds many of them under way, one with chunks that are compressed while others are flushed.
send_again_and_again() { # CHUNK
    local rounds=0
    until [ -e "$dir/enough" ]; do
        "$bin/gbill" send --format azure-llm --chunk "$1" --timeout 60 --wait --json $traces >"$dir/sent.$1.$rounds.json" || exit 1
        rounds=$((rounds + 1))
        echo "$rounds" >"$dir/rounds.$1"
    done
}
send_again_and_again 20 &
sender=$!
send_again_and_again 2000 &
large=$!

RANDOM=${SEED:-20261124}
for ((k = 0; k < kills; k++)); do
    sleep "0.0$((RANDOM % 90 + 10))"
    for pid in $sender $large; do kill -0 "$pid" 2>/dev/null || fail "a sender gave up after $k kills"; done
    kill -9 "$agent"
    wait "$agent" 2>/dev/null || true
    start_agent
done
touch "$dir/enough"
for pid in $sender $large; do wait "$pid" || fail "a sender did not finish"; done
sender= large=
kill "$agent"
wait "$agent" || fail "the agent did not end with 0 after SIGTERM"
agent=

"$bin/gbill" log verify >"$dir/verify.txt" || fail "the log does not verify"
acked=$(cat "$dir"/sent.*.json | grep -o '"acked":[0-9]*' | cut -d: -f2 | awk '{s += $1} END {print s}')
logged=$("$bin/gbill" log verify --json | sed -n 's/.*"stream":"events","events":\([0-9]*\).*/\1/p')
[ "$logged" -ge "$acked" ] || fail "$acked events were acknowledged, the log has $logged"

"$bin/gbill" rollup --json >"$dir/rollup.json"
priced=$(sed -n 's/.*"priced".*"inAll":\([0-9]*\).*/\1/p' "$dir/rollup.json")
duplicate=$(sed -n 's/.*"duplicate".*"inAll":\([0-9]*\).*/\1/p' "$dir/rollup.json")
[ "$((priced + duplicate))" = "$logged" ] || fail "priced $priced + duplicate $duplicate, the log has $logged"
totals=$("$bin/gbill" report usage --by org --csv |
    awk -F, 'NR == 1 {for (i = 1; i <= NF; i++) {sub(/\r$/, "", $i); at[$i] = i}} NR > 1 {c += $at["calls"]; i_ += $at["input"]; o += $at["output"]} END {printf "%d %d %d", c, i_, o}')
[ "$totals" = "$sums" ] || fail "totals $totals, the traces have $sums"
echo "$kills kills, $(cat "$dir/rounds.20") and $(cat "$dir/rounds.2000") rounds: $acked events acknowledged, $logged in the log, totals exact"
