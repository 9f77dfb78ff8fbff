#!/usr/bin/env bash
# Calls without counts: unpriced until a ratio is known, then estimated; what is learned is what a
# script of another kind learns from the same calls; kill -9 at every write of gbill tokens learn.
. "$(dirname "$0")/lib.sh"
begin tokens
die_at=$bin/tests/libdie_at.so
[ -e "$die_at" ] || fail "$die_at is not built"
sized=tests/support/sized_calls.py

expect 2 'give --model and --bytes' gbill tokens estimate --model claude-sonnet-4-5
expect 2 'give --model and --bytes' gbill tokens estimate --bytes 7
agent_start
expect 0 'nothing has been learned yet' gbill tokens ratios
expect 6 'no ratio of input of anthropic, claude-sonnet-4-5' \
    gbill tokens estimate --model claude-sonnet-4-5 --bytes 100

python3 "$sized" make tests/data/azure-llm "$dir"
today=$(date -u -d "@$(($(python3 -c "import json; print(json.load(open('$dir/truth.json'))['now'])") / 1000))" +%F)
grep -v voids "$dir/told.jsonl" | gbill send --format jsonl - >/dev/null
grep voids "$dir/told.jsonl" | gbill send --kind void --format jsonl - >/dev/null
gbill send --format jsonl "$dir/untold.jsonl" >/dev/null
gbill rollup >/dev/null
[ "$(gbill quarantine list --json)" = '[]' ] || fail "quarantine: $(gbill quarantine list | head -3)"
calls=$(wc -l <"$dir/untold.jsonl")
costs() { gbill report costs --by model --from "$today" --json; }
sum() { costs | python3 -c "import json, sys; print(sum(r['$1'] for r in json.load(sys.stdin)))"; }
same "$(sum unpricedCalls)" "$calls" "calls without counts before a ratio is known"
same "$(gbill report usage --by model --from "$today" --json |
    python3 -c 'import json, sys; print(sum(r["credits"] for r in json.load(sys.stdin)))')" 0 "their tokens"

# Killed before each of its writes: the book is the old one or the new one, and the next run ends the work.
book() { python3 -c "
import json, sys
for r in json.load(sys.stdin):
    del r['recorded']
    print(json.dumps(r))"; }
rm -rf "$dir/copy" && cp -r "$GBILL_DATA" "$dir/copy"
gbill tokens learn --data "$dir/copy" --json >"$dir/learned"
undisturbed=$(gbill tokens ratios --data "$dir/copy" --all --json | book)
[ "$(echo "$undisturbed" | wc -l)" = 4 ] || fail "learned: $(cat "$dir/learned")"
kills=0 old=0
for at in $(seq 1 200); do
    rm -rf "$dir/copy" && cp -r "$GBILL_DATA" "$dir/copy"
    status=0
    # bash itself would tell of the kill.
    { (export DIE_AT=$at LD_PRELOAD=$die_at && gbill tokens learn --data "$dir/copy") >/dev/null || status=$?; } 2>/dev/null
    [ "$status" = 0 ] && break
    same "$status" 137 "killed before write $at"
    kills=$((kills + 1))
    now=$(gbill tokens ratios --data "$dir/copy" --all --json 2>/dev/null | book)
    [ -z "$now" ] && old=$((old + 1))
    [ -z "$now" ] || same "$now" "$undisturbed" "the book after a kill before write $at"
    gbill tokens learn --data "$dir/copy" >/dev/null 2>&1
    same "$(gbill tokens ratios --data "$dir/copy" --all --json | book)" "$undisturbed" "and after the next run"
    gbill rollup --data "$dir/copy" >/dev/null
    gbill rollup --check --data "$dir/copy" >/dev/null || fail "the tables after a kill before write $at"
done
[ "$kills" -ge 3 ] && [ "$old" -ge 1 ] && [ "$old" -lt "$kills" ] || fail "$kills kills, $old of them before the book"

# In earnest, while folds run.
(while [ ! -e "$dir/learned-all" ]; do gbill rollup >/dev/null 2>&1 || true; done) &
folds=$! children=$!
gbill tokens learn >/dev/null
touch "$dir/learned-all"
wait "$folds"
children=
expect 0 'done today already' gbill tokens learn
gbill tokens ratios --json >"$dir/ratios.json"
gbill rollup >/dev/null
gbill rollup --check >/dev/null || fail "a rebuild differs"
same "$(sum unpricedCalls)" 0 "unpriced once the ratios are known"
same "$(sum estimatedCalls)" "$calls" "estimated once the ratios are known"
gbill report usage --by model --from "$today" --json >"$dir/usage.json"
python3 "$sized" check "$dir"

# An estimate says what it is worth.
gbill tokens estimate --model claude-sonnet-4-5 --bytes 100000 --json | python3 -c "
import json, sys
(e,) = json.load(sys.stdin)
(r,) = [r for r in json.load(open('$dir/ratios.json')) if r['model'] == e['model'] and r['side'] == 'input']
want = (2 * 100000 * r['tokens'] + r['bytes']) // (2 * r['bytes'])
assert e['tokens'] == want and e['errorPercent'] == r['errorPercent'] and e['method'] == 'estimated', e
assert e['atLeast'] < want < e['atMost'] and want - e['atLeast'] == e['atMost'] - want, e
"
head -c 100000 /dev/zero | tr '\0' x >"$dir/text"
gbill tokens count --model claude-sonnet-4-5 --json "$dir/text" | python3 -c "
import json, subprocess, sys
(c,) = json.load(sys.stdin)
(e,) = json.loads(subprocess.check_output(['gbill', 'tokens', 'estimate', '--model', 'claude-sonnet-4-5', '--bytes', '100000', '--json']))
assert c['tokens'] == e['tokens'] and c['errorPercent'] == e['errorPercent'] and c['by'] == 'estimate', (c, e)
"
gbill tokens count --model claude-sonnet-4-5 "$dir/text" | grep -qE '^[0-9]+ \(estimated; 95 of 100 are within [0-9.]+ %\)$' ||
    fail "an estimate does not say so: $(gbill tokens count --model claude-sonnet-4-5 "$dir/text")"
expect 6 'tokenizer of x is not public, and no ratio of openai' gbill tokens count --provider openai --model x "$dir/text"

# With a key the provider is asked; its double counts words, and 7 for the frame.
python3 tests/support/anthropic_server.py "$dir/asked" "$dir/port" &
children="$children $!"
wait_for "$dir/port"
printf 'two words' >"$dir/text"
export ANTHROPIC_API_KEY=sk-test ANTHROPIC_BASE_URL=http://127.0.0.1:$(cat "$dir/port")
same "$(gbill tokens count --model claude-opus-4-1 "$dir/text")" "9 (by anthropic)" "what the provider says"
same "$(ANTHROPIC_API_KEY=sk-wrong gbill tokens count --model claude-opus-4-1 "$dir/text" 2>&1 | grep -c sk-wrong)" 0 "keys in a message"
expect 9 'the key is not accepted' env ANTHROPIC_API_KEY=sk-wrong gbill tokens count --model claude-opus-4-1 "$dir/text"
unset ANTHROPIC_API_KEY ANTHROPIC_BASE_URL

expect 6 'no ratio of output of openai' gbill tokens estimate --provider openai --output --model x --bytes 1
gbill audit >/dev/null || fail "audit"
# Who walks the log's calls sees the tokens that the tables have, or this would not agree with them.
gbill rollup --reprice --dry-run --from "$today" --to "$(date -u -d "$today + 1 day" +%F)" --json >"$dir/repriced" ||
    fail "pricing the past anew"

# What cannot be read stops the fold; what is gone, too.
mv "$GBILL_DATA/ratios.json" "$dir/kept"
expect 6 'ratios.json: is gone, and calls were estimated by it' gbill rollup
one_line
echo '{"format": "gbill-ratios/1", "ratios": [{}]}' >"$GBILL_DATA/ratios.json"
expect 3 'ratios.json: ratios\[0\]: "provider"' gbill rollup
expect 3 'ratios.json' gbill tokens ratios
mv "$dir/kept" "$GBILL_DATA/ratios.json"
gbill rollup >/dev/null
same "$(sum estimatedCalls)" "$calls" "estimated after all"
echo "killed $kills times, $old of them before the book was in place"
