#!/usr/bin/env bash
# Prices from a public file into a book: imported, compared, used; and nothing half written.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${GBILL_BIN:?set GBILL_BIN to the build directory}
dir=$(mktemp -d /tmp/gbill-prices-XXXXXX)
trap 'rm -rf "$dir"' EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }
unset GBILL_PRICES || true

cat >"$dir/litellm.json" <<'JSON'
{
    "sample_spec": {"input_cost_per_token": 0.0, "litellm_provider": "one of the providers"},
    "gpt-4o": {"input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05,
        "cache_read_input_token_cost": 1.25e-06, "litellm_provider": "openai"},
    "gpt-4": {"input_cost_per_token": 2e-05, "output_cost_per_token": 6e-05,
        "litellm_provider": "openai"},
    "gpt-imported": {"input_cost_per_token": 1.25e-07, "output_cost_per_token": 0.000001,
        "input_cost_per_token_above_272k_tokens": 2.5e-07, "litellm_provider": "openai"},
    "gpt-imported-too-fine": {"input_cost_per_token": 1.5000000000000002e-07,
        "litellm_provider": "openai"},
    "azure/gpt-4o": {"input_cost_per_token": 2.5e-06, "litellm_provider": "azure"}
}
JSON
cp schemas/prices.json "$dir/book.json"
chmod 640 "$dir/book.json"
import="$bin/gbill prices import --format litellm --book $dir/book.json"

# To stdout: the book is not touched, and what was left out is told.
$import --recorded 2030-01-01 "$dir/litellm.json" >"$dir/new.json" 2>"$dir/err"
cmp -s schemas/prices.json "$dir/book.json" || fail "an import to stdout changed the book"
grep -q 'skipped: openai gpt-imported-too-fine: .* is 1.5000000000000002e-07, which has more than six' "$dir/err" || fail "$(cat "$dir/err")"
"$bin/gbill" prices check "$dir/new.json" >/dev/null

"$bin/gbill" prices diff "$dir/book.json" "$dir/new.json" >"$dir/diff"
grep -qE 'row added +yes +openai +gpt-4 .*input 20 \(was 30, -33.3 %\), output 60' "$dir/diff" || fail "$(cat "$dir/diff")"
grep -qE 'row added +yes +openai +gpt-imported .*input 0.125, output 1, >272000 input 0.25' "$dir/diff" || fail "$(cat "$dir/diff")"
grep -q '^model added: 1, row added: 2$' "$dir/diff" || fail "$(cat "$dir/diff")"
"$bin/gbill" prices show --prices "$dir/new.json" gpt-imported | grep -q '0.125' || fail "the new model has no price"
# But for the comma or bracket at its end, every line stands as it stood.
for book in schemas/prices.json "$dir/new.json"; do sed 's/[],]*$//' "$book" >"$dir/$(basename "$book").lines"; done
if diff "$dir/prices.json.lines" "$dir/new.json.lines" | grep '^<'; then fail "a line of the book changed"; fi

# The other way round rows are missing: loud, and a status of its own.
status=0
"$bin/gbill" prices diff --json "$dir/new.json" "$dir/book.json" >"$dir/diff.json" 2>"$dir/err" || status=$?
[ "$status" = 7 ] || fail "a deleted row: exit status $status"
grep -q '"change":"MODEL DELETED","appendOnly":"no"' "$dir/diff.json" || fail "$(cat "$dir/diff.json")"

# Onto the book itself, in one step; its mode stays; a second time adds nothing.
$import --recorded 2030-01-01 --output "$dir/book.json" --json "$dir/litellm.json" >"$dir/out" 2>/dev/null
grep -q '"modelsAdded":1,"modelsChanged":1,"modelsUnchanged":1,"modelsSkipped":1,"modelsUnasked":1,"rowsAdded":2' "$dir/out" || fail "$(cat "$dir/out")"
cmp -s "$dir/book.json" "$dir/new.json" || fail "--output and stdout differ"
[ "$(stat -c %a "$dir/book.json")" = 640 ] || fail "the book's mode changed"
$import --recorded 2030-01-02 --output "$dir/book.json" "$dir/litellm.json" >/dev/null 2>&1
cmp -s "$dir/book.json" "$dir/new.json" || fail "a second import changed the book"

# A place that cannot be written: the exit status says so and nothing is left behind.
status=0
$import --recorded 2030-01-02 --output "$dir/none/book.json" "$dir/litellm.json" >/dev/null 2>"$dir/err" || status=$?
[ "$status" = 6 ] || fail "no folder: exit status $status: $(cat "$dir/err")"
[ "$(ls "$dir" | grep -c '^book.json')" = 1 ] || fail "left behind: $(ls "$dir")"
echo "prices: imported, compared, put in place"
