#!/usr/bin/env bash
# ./dev demo: the whole pipeline on real traces, in a temporary folder, with the proofs.
#
# The Azure LLM traces (28,185 calls) go over the socket twice; what comes out in Postgres is
# compared with sums that awk makes of the CSV files and with costs that SQL makes of the price
# book.  DEMO_DIR=DIR keeps the folder.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${GBILL_BIN:-build/release}
. tests/e2e/lib_postgres.sh

if [ -n "${DEMO_DIR:-}" ]; then
    mkdir -p "$DEMO_DIR" && dir=$(cd "$DEMO_DIR" && mktemp -d "$PWD/run-XXXXXX")
else
    dir=$(mktemp -d /tmp/gbill-demo-XXXXXX)
fi
chmod 755 "$dir"
agent= pg=
cleanup() {
    status=$?
    if [ -n "$agent" ]; then kill "$agent" 2>/dev/null || true; wait "$agent" 2>/dev/null || true; fi
    if [ -n "$pg" ]; then pg_stop "$dir/pg" || true; fi
    if [ -n "${DEMO_DIR:-}" ]; then echo "kept: $dir"; else rm -rf "$dir"; fi
    exit $status
}
trap cleanup EXIT

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
proved=0
# same WHAT ONE OTHER: two figures that came different ways
same() {
    if [ "$2" != "$3" ]; then
        printf 'NOT PROVED  %s: %s, but %s\n' "$1" "$2" "$3" >&2
        exit 1
    fi
    printf 'proved  %-58s %s\n' "$1" "$2"
    proved=$((proved + 1))
}

traces="tests/data/azure-llm/AzureLLMInferenceTrace_conv.csv tests/data/azure-llm/AzureLLMInferenceTrace_code.csv"
# The traces' day becomes the 1st of this month, or of the last one if this month is too young.
month=$(date -u +%Y-%m)
[ "$(date -u +%d)" -ge 3 ] || month=$(date -u -d "$month-01 -1 day" +%Y-%m)
export GBILL_DATA=$dir/data

say "An agent and a private Postgres, in $dir"
"$bin/gbill-agent" --data "$GBILL_DATA" 2>"$dir/agent.log" &
agent=$!
pg_start "$dir/pg"
pg=1
export DATABASE_URL=$PG_URL
for _ in $(seq 200); do [ -S "$GBILL_DATA/agent.sock" ] && break; sleep 0.05; done
"$bin/gbill" migrate

say "Who has which plan, and some of their projects and members"
{
    n=0
    emit() { n=$((n + 1)); printf '{"kind":"%s","id":"demo-%d","createdAt":"%s-01T00:00:00Z",%s}\n' "$1" "$n" "$month" "$2"; }
    emit subscription '"organizationId":"org-01","plan":"enterprise","action":"started"'
    emit subscription '"organizationId":"org-02","plan":"team","action":"started"'
    emit subscription '"organizationId":"org-03","plan":"team","action":"started"'
    for o in 04 05 06 07; do emit subscription "\"organizationId\":\"org-$o\",\"plan\":\"pro\",\"action\":\"started\""; done
    emit subscription "\"organizationId\":\"org-04\",\"plan\":\"team\",\"action\":\"changed\",\"effectiveAt\":\"$month-16T00:00:00Z\""
    for o in 01 02 03 04 08; do
        for p in 1 2 3 4; do emit resource "\"organizationId\":\"org-$o\",\"resource\":\"project\",\"action\":\"created\",\"resourceId\":\"org-$o-project-$p\""; done
        emit resource "\"organizationId\":\"org-$o\",\"resource\":\"member\",\"action\":\"created\",\"resourceId\":\"org-$o-user-01\""
    done
    emit adjustment '"organizationId":"org-02","amount":-500,"currency":"USD","reason":"goodwill for the outage"'
} >"$dir/settings.jsonl"
"$bin/gbill" send "$dir/settings.jsonl"

say "The traces: 28,185 real calls, acknowledged from the disk"
"$bin/gbill" send --format azure-llm --start "$month-01" $traces
say "The same files again: their ids are the same"
"$bin/gbill" send --format azure-llm --start "$month-01" $traces

say "Fold"
"$bin/gbill" rollup
say "Limits, invoices, publish"
"$bin/gbill" limits >"$dir/limits.txt"
"$bin/gbill" invoice run
"$bin/gbill" publish

say "In Postgres: usage of $month"
psql -X -q "$DATABASE_URL" -c "
    SELECT organization_id AS organization, sum(calls) AS calls,
           sum(input_tokens + cache_read_tokens + cache_write_tokens + cache_write_1h_tokens) AS input,
           sum(output_tokens) AS output, sum(cost) AS cost
    FROM billing.usage_monthly GROUP BY 1 ORDER BY 1"
say "Limits of org-04"
"$bin/gbill" limits --org org-04
say "Two invoices: a plan changed in mid-month, and AI credits beyond the plan"
"$bin/gbill" invoice show --org org-04 --month "$month"
echo
"$bin/gbill" invoice show --org org-05 --month "$month"
say "A report"
"$bin/gbill" report costs --by model
say "What comes, what is out of the ordinary, what could be spared"
"$bin/gbill" spikes run
"$bin/gbill" forecast run
# It looks at the last 28 days: late in a month as of a day that has the traces among them.
as_of=$(date -u +%Y-%m-%dT%H:%M:%SZ)
[[ $as_of < $month-28 ]] || as_of=$month-28
"$bin/gbill" optimize run --now "$as_of"
"$bin/gbill" optimize show org-01
"$bin/gbill" report dashboard --org org-01 --month "$month" -o "$bin/demo.html"
echo "all of it on one page: ${bin#"$PWD"/}/demo.html"

say "Proofs"
sql() { pg_sql "$DATABASE_URL" "$1"; }
sums=$(awk -F, 'FNR > 1 {sub(/\r$/, ""); calls++; input += $2; output += $3} END {printf "%d|%d|%d", calls, input, output}' $traces)
same "calls and tokens: Postgres = awk over the CSV files" \
    "$(sql "SELECT sum(calls), sum(input_tokens), sum(output_tokens) FROM billing.usage_monthly")" "$sums"
same "hourly adds up to monthly" \
    "$(sql "SELECT sum(calls), sum(input_tokens), sum(output_tokens), sum(cost) FROM billing.usage_hourly")" \
    "$(sql "SELECT sum(calls), sum(input_tokens), sum(output_tokens), sum(cost) FROM billing.usage_monthly")"

# The book as SQL sees it: the row in force at each hour, without bands (no call here is near one).
sql "CREATE TABLE public.book (line jsonb)" >/dev/null
tr -d '\n' <schemas/prices.json | psql -X -q "$DATABASE_URL" -c "\copy public.book FROM STDIN WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')"
recomputed="
    WITH rate AS (
        SELECT m->>'provider' AS provider, m->>'model' AS model, p->>'tier' AS tier,
               coalesce((p->>'from')::timestamptz, '-infinity') AS valid_from, p->'rates' AS rates
        FROM public.book, jsonb_array_elements(line->'models') AS m, jsonb_array_elements(m->'prices') AS p
        WHERE p->'retracted' IS NULL),
    priced AS (
        SELECT u.*, coalesce(nullif(u.service_tier, ''), 'standard') AS tier FROM billing.usage_hourly u),
    row_of AS (
        SELECT p.*, r.rates, s.rates AS standard
        FROM priced p
        CROSS JOIN LATERAL (SELECT rates FROM rate r WHERE (r.provider, r.model, r.tier) = (p.provider, p.model, p.tier)
            AND r.valid_from <= p.hour ORDER BY r.valid_from DESC LIMIT 1) r
        CROSS JOIN LATERAL (SELECT rates FROM rate r WHERE (r.provider, r.model, r.tier) = (p.provider, p.model, 'standard')
            AND r.valid_from <= p.hour ORDER BY r.valid_from DESC LIMIT 1) s)
    SELECT sum(input_tokens * coalesce(rates->>'input', standard->>'input')::numeric / 1000000
             + output_tokens * coalesce(rates->>'output', standard->>'output')::numeric / 1000000) FROM row_of"
same "cost in dollars: tokens x price in SQL NUMERIC" \
    "$(sql "SELECT trim_scale(sum(cost)) FROM billing.usage_monthly")" "$(sql "SELECT trim_scale(($recomputed))")"
same "every invoice is the sum of its lines" "0" \
    "$(sql "SELECT count(*) FROM billing.invoices i WHERE total_minor <> (SELECT coalesce(sum(amount_minor), 0) FROM billing.invoice_lines l WHERE (l.organization_id, l.period_start) = (i.organization_id, i.period_start))")"
same "every line is its exact amount, rounded once" "0" \
    "$(sql "SELECT count(*) FROM billing.invoice_lines WHERE amount_minor <> round(amount * 100)")"
same "sent twice, counted once: duplicates" "28185" \
    "$("$bin/gbill" rollup --json | sed -n 's/.*"duplicate".*"inAll":\([0-9]*\).*/\1/p')"
before=$("$bin/gbill" rollup --digest | sed -n 's/.*digest //p')
same "drop the tables, fold the log again: same digest" "$before" \
    "$("$bin/gbill" rollup --rebuild --digest | sed -n 's/.*digest //p')"
"$bin/gbill" publish >/dev/null
at=$(sql "SELECT version, published_at FROM billing.publish_state")
"$bin/gbill" publish >/dev/null
same "publishing again writes nothing" "$at" "$(sql "SELECT version, published_at FROM billing.publish_state")"
same "the log's chain" "$("$bin/gbill" log verify --json | sed -n 's/.*"stream":"events".*"chain":"\([0-9a-f]*\)".*/\1/p')" \
    "$(sql "SELECT log_chain FROM billing.publish_state")"
kill "$agent"; wait "$agent" || { echo "the agent did not end with 0" >&2; exit 1; }
agent=
say "$proved proofs hold"
