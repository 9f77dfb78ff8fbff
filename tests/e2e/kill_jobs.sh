#!/usr/bin/env bash
# kill -9 of gbill rollup at 200 random moments while the agent takes events: the next run goes on,
# the totals are exact, and a rebuild gives the same bytes.
. "$(dirname "$0")/lib.sh"
begin killjobs
kills=${KILLS:-200}

traces="tests/data/azure-llm/AzureLLMInferenceTrace_conv.csv tests/data/azure-llm/AzureLLMInferenceTrace_code.csv"
sums=$(awk -F, 'FNR > 1 {sub(/\r$/, ""); calls++; input += $2; output += $3} END {printf "%d %d %d", calls, input, output}' $traces)
agent_start
# Slowly enough that there is something to fold until the last kill, twice for the duplicates.
"$bin/gbill" send --format azure-llm --chunk 50 --rate 6000 $traces $traces >/dev/null 2>&1 &
sender=$! children=$!

RANDOM=${SEED:-20261124}
hit=0
for ((k = 0; k < kills; k++)); do
    "$bin/gbill" rollup --batch-events 100 >/dev/null 2>"$dir/rollup.err" &
    job=$!
    sleep "0.0$(printf %02d $((RANDOM % 40)))"
    kill -9 "$job" 2>/dev/null || true
    status=0
    wait "$job" 2>/dev/null || status=$?
    [ "$status" = 137 ] && hit=$((hit + 1))
    [ "$status" = 0 ] || [ "$status" = 137 ] || [ "$status" = 6 ] || fail "rollup after kill $k: $(cat "$dir/rollup.err")"
done
wait "$sender" || fail "the sender did not finish"
children=
[ "$hit" -ge $((kills / 10)) ] || fail "only $hit of $kills kills came in time"

"$bin/gbill" rollup >/dev/null
totals=$("$bin/gbill" report usage --by org --csv |
    awk -F, 'NR == 1 {for (i = 1; i <= NF; i++) {sub(/\r$/, "", $i); at[$i] = i}} NR > 1 {c += $at["calls"]; i_ += $at["input"]; o += $at["output"]} END {printf "%d %d %d", c, i_, o}')
[ "$totals" = "$sums" ] || fail "totals $totals, the traces have $sums"
before=$("$bin/gbill" rollup --digest | sed -n 's/.*digest //p')
after=$("$bin/gbill" rollup --rebuild --digest | sed -n 's/.*digest //p')
[ -n "$before" ] && [ "$before" = "$after" ] || fail "digest $before before, $after after a rebuild"
echo "$hit of $kills kills of rollup came in time: totals exact, rebuild identical"
