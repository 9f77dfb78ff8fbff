#!/usr/bin/env bash
# A wrong price is corrected: what would change, the adjustments that make it good, sent twice.
. "$(dirname "$0")/lib.sh"
begin reprice
export GBILL_PRICES=$dir/prices.json

row() { printf '{"from": null, "recorded": "%s", "tier": "standard", "rates": {"input": "%s", "output": "10"}}' "$@"; }
book() {
    printf '{"format": "gbill-prices/1", "currency": "USD", "unit": "1000000 tokens", "models": [\n'
    printf '{"provider": "openai", "model": "m1", "prices": [%s]}]}\n' "$1"
}
old=$(row 2026-01-01 2.5)
tomorrow=$(date -u -d tomorrow +%Y-%m-%d)
book "$old" >"$dir/prices.json"
book "$old, $(row "$tomorrow" 2)" >"$dir/corrected.json"

agent_start
day=$(date -u -d yesterday +%Y-%m-%d)
call() {
    printf '{"kind":"usage","id":"%s","organizationId":"%s","userId":"u","type":"chat","provider":"openai","model":"m1","inputTokens":%s,"outputTokens":0,"createdAt":"%sT10:00Z"}\n' "$@" "$day"
}
# 25 million tokens of acme cost 12.50 too much, 29,999 of blob 0.0149995: a cent; 3 of tiny: nothing.
{ call 1 acme 20000000; call 2 acme 5000000; call 2 acme 5000000; call 1 blob 29999; call 1 tiny 3; } >"$dir/calls.jsonl"
"$bin/gbill" send "$dir/calls.jsonl" >/dev/null
"$bin/gbill" rollup >/dev/null

reprice() { "$bin/gbill" rollup --reprice --dry-run --from "$day" --to "$(date -u +%Y-%m-%d)" "$@"; }
csv=$(reprice --against "$dir/corrected.json" --csv | tr -d '\r')
same "$csv" "organization,provider,model,calls,changed,costFolded,costNew,difference,unpricedFolded,unpricedNew
acme,openai,m1,2,2,62.5,50,-12.5,0,0
blob,openai,m1,1,1,0.0749975,0.059998,-0.0149995,0,0
tiny,openai,m1,1,1,0.0000075,0.000006,-0.0000015,0,0" "the report"
same "$(reprice --json)" "[]" "a book that learned nothing changes nothing"
total=$(reprice --against "$dir/corrected.json" | tail -1 | tr -s ' ')
same "$total" "total 4 4 62.575005 50.060004 -12.515001 0 0" "the total"

reprice --against "$dir/corrected.json" --adjustments >"$dir/adjustments.jsonl"
same "$(grep -o '"organizationId":"[a-z]*","amount":[-0-9]*' "$dir/adjustments.jsonl")" \
    '"organizationId":"acme","amount":-1250
"organizationId":"blob","amount":-1' "the adjustments"

# The corrected book in place says the same, to the byte; sent twice it counts once.
cp "$dir/corrected.json" "$dir/prices.json"
"$bin/gbill" rollup >/dev/null
reprice --adjustments | cmp - "$dir/adjustments.jsonl" || fail "the book in place gives other adjustments"
"$bin/gbill" send "$dir/adjustments.jsonl" >/dev/null
"$bin/gbill" rollup >/dev/null
reprice --adjustments | "$bin/gbill" send --format jsonl - >/dev/null
"$bin/gbill" rollup --json >"$dir/rollup.json"
grep -q '"settings","thisRun":0,"inAll":2' "$dir/rollup.json" || fail "two adjustments: $(cat "$dir/rollup.json")"
grep -q '"duplicate","thisRun":2,"inAll":3' "$dir/rollup.json" || fail "sent again: $(cat "$dir/rollup.json")"
grep -q '"conflicting","thisRun":0,"inAll":0' "$dir/rollup.json" || fail "other contents: $(cat "$dir/rollup.json")"
echo "a correction of 4 calls: reported exactly, made good by 2 adjustments, once"
