#!/usr/bin/env bash
# From events to costs through the real programs: audio, uses, regions, iterations, a call that
# contradicts itself, one organization's own prices, a void, a rebuild.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${GBILL_BIN:?set GBILL_BIN to the build directory}
dir=$(mktemp -d /tmp/gbill-prices-XXXXXX)
export GBILL_DATA=$dir/data
agent=
cleanup() {
    [ -z "$agent" ] || { kill "$agent" 2>/dev/null && wait "$agent" 2>/dev/null; } || true
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }
# same WHAT GOT WANT
same() { [ "$2" = "$3" ] || fail "$1: $2, not $3"; }

"$bin/gbill-agent" --data "$GBILL_DATA" 2>"$dir/agent.log" &
agent=$!
: >"$dir/none.jsonl"
for _ in $(seq 200); do "$bin/gbill" send "$dir/none.jsonl" >/dev/null 2>&1 && break; sleep 0.05; done

# The shipped book, with one organization's price of one model.
/usr/bin/python3 - "$dir/book.json" <<'PY'
import json, sys
book = json.load(open("schemas/prices.json"))
for model in book["models"]:
    if model["model"] == "gpt-4o":
        row = {"from": None, "recorded": "2026-01-01", "tier": "standard",
               "rates": {"input": "1", "output": "2"}}
        model["overrides"] = [{"organization": "acme", "prices": [row]}]
json.dump(book, open(sys.argv[1], "w"))
PY
"$bin/gbill" prices check "$dir/book.json" >/dev/null

now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
n=0
# call ORG PROVIDER MODEL MORE: one event.
call() {
    n=$((n + 1))
    printf '{"kind":"usage","id":"call-%d","organizationId":"%s","userId":"u","type":"chat","provider":"%s","model":"%s","createdAt":"%s",%s}\n' \
        $n "$1" "$2" "$3" "$now" "$4"
}
{
    call acme openai gpt-4o '"inputTokens":1000000,"outputTokens":1000000'
    call globex openai gpt-4o '"inputTokens":1000000,"outputTokens":1000000,"webSearches":2,"fileSearches":4'
    call globex openai gpt-realtime '"usage":{"input_tokens":1000,"output_tokens":200,"input_token_details":{"audio_tokens":600,"cached_tokens":100,"cached_tokens_details":{"audio_tokens":100}},"output_token_details":{"audio_tokens":150}}'
    call globex anthropic claude-opus-4-6 '"usage":{"input_tokens":1000,"output_tokens":100,"inference_geo":"us","speed":"fast"}'
    call globex anthropic claude-sonnet-4-5 '"usage":{"input_tokens":412,"output_tokens":531,"iterations":[{"type":"message","input_tokens":412,"output_tokens":89},{"type":"advisor_message","model":"claude-opus-5","input_tokens":823,"output_tokens":1612},{"type":"message","input_tokens":1348,"output_tokens":442}]}'
    call globex openai gpt-4o '"usage":{"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":6}}'
    call globex openai gpt-4o '"usage":null,"status":"ok"'
    call globex openai gpt-4o-mini '"inputTokens":9,"outputTokens":9,"region":"mars"'
} >"$dir/calls.jsonl"
"$bin/gbill" send "$dir/calls.jsonl" >/dev/null 2>&1
"$bin/gbill" quarantine list >"$dir/quarantine"
grep -q 'cached and cache-write tokens (6) exceed' "$dir/quarantine" || fail "$(cat "$dir/quarantine")"
grep -q 'inputTokens is missing (or give usage, or inputBytes)' "$dir/quarantine" || fail "$(cat "$dir/quarantine")"

"$bin/gbill" rollup --prices "$dir/book.json" >/dev/null 2>&1
cost() { "$bin/gbill" report costs --by org,model --csv 2>/dev/null | tr -d '\r' | grep "^$1,$2," | cut -d, -f5; }
same "acme's own price" "$(cost acme gpt-4o)" 3
# 2.5 + 10, two searches at 10 and four at 2.5 per thousand
same "everyone's, with fees" "$(cost globex gpt-4o)" 12.53
# text 400 at 4 and 50 at 16; audio 500 at 32, 100 cached at 0.4, 150 at 64
same "audio" "$(cost globex gpt-realtime)" 0.02804
# (1000 at 5 and 100 at 25) times 6 times 1.1
same "region and speed" "$(cost globex claude-opus-4-6)" 0.0495
# 1760 at 3, 531 at 15; the adviser's 823 at 5 and 1612 at 25
same "iterations" "$(cost globex claude-sonnet-4-5)" 0.05766
same "a region without a factor" "$(cost globex gpt-4o-mini)" ""
uses() { "$bin/gbill" report usage --by org --csv 2>/dev/null | tr -d '\r' | grep ^globex | cut -d, -f12-21; }
same "uses" "$(uses)" 500,100,150,0,0,0,2,0,4,0

# A void takes all of a call away, its uses too; a rebuild comes to the same.
printf '{"kind":"void","id":"void-2","organizationId":"globex","voids":"call-2","at":"%s"}\n' "$now" >"$dir/void.jsonl"
"$bin/gbill" send "$dir/void.jsonl" >/dev/null
"$bin/gbill" rollup --prices "$dir/book.json" >/dev/null 2>&1
same "what is left of a voided call" "$(cost globex gpt-4o)" ""
before=$("$bin/gbill" report usage --by org,model --csv 2>/dev/null)
same "uses after the void" "$(uses)" 500,100,150,0,0,0,0,0,0,0
"$bin/gbill" rollup --prices "$dir/book.json" --rebuild >/dev/null 2>&1
same "a rebuild" "$("$bin/gbill" report usage --by org,model --csv 2>/dev/null)" "$before"

kill "$agent"
wait "$agent" || fail "the agent ended with $?"
agent=
echo "prices: ok"
