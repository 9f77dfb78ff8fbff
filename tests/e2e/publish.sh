#!/usr/bin/env bash
# gbill migrate and gbill publish, driven as a person would: from events in the socket to rows in
# Postgres, again, killed with -9 at random moments, with a wrong password, without a server.
. "$(dirname "$0")/lib.sh"
begin publish
unset PGPASSWORD
export PGPASSFILE=/nonexistent

# says STATUS PATTERN COMMAND...: expect it, on one line, and without a password
says() {
    expect "$@"
    one_line
    ! grep -q hunter2 "$dir/out" "$dir/err" || fail "${*:3}: shows the password"
}

# events FROM TO: calls of ten organizations, each with tokens that depend on its number
events() {
    awk -v from="$1" -v to="$2" 'BEGIN { for (i = from; i < to; i++)
        printf "{\"id\":\"e%d\",\"organizationId\":\"org-%d\",\"userId\":\"u-%d\",\"type\":\"chat\"," \
               "\"provider\":\"openai\",\"model\":\"gpt-4o-mini\",\"inputTokens\":%d," \
               "\"outputTokens\":%d}\n", i, i % 10, i % 37, i, i % 7 }'
}
digest() {
    for t in usage_hourly usage_monthly limits_snapshots invoices invoice_lines log_days budget_settings budget_alerts chargeback plans subscriptions usage_spikes forecasts optimization_recommendations efficiency; do
        pg_sql "$1" "SELECT t::text FROM billing.$t t ORDER BY 1"
    done | sha256sum
}
jobs() { "$bin/gbill" rollup >/dev/null && "$bin/gbill" limits >/dev/null && "$bin/gbill" invoice run >/dev/null && "$bin/gbill" chargeback run >/dev/null &&
    "$bin/gbill" budgets >/dev/null; }

# ---- before there is anything ----
says 3 'DATABASE_URL is not set' "$bin/gbill" migrate
says 13 'cannot connect to Postgres at me@127.0.0.1:1/db: .*is Postgres running there' \
    "$bin/gbill" migrate --database postgresql://me:hunter2@127.0.0.1:1/db
says 3 'no connection string' "$bin/gbill" migrate --database postgresql://me:hun@hunter2@h/db
says 6 'run gbill rollup' "$bin/gbill" publish --database postgresql://me:hunter2@127.0.0.1:1/db
pg_start "$dir/pg"

# ---- a role that may not make roles is told what to do, and may do all the rest ----
pg_sql "$PG_URL" "CREATE ROLE owner LOGIN"
pg_create granted -O owner >/dev/null
export DATABASE_URL="postgresql:///granted?host=$PG_SOCKET&user=owner"
"$bin/gbill" migrate --dry-run | grep -q '1  tables *pending' || fail "dry run does not list"
[ -z "$(pg_sql "$DATABASE_URL" "SELECT to_regnamespace('billing')")" ] || fail "dry run changed something"
says 0 'the server remarks: may not create the role gbill_reader' "$bin/gbill" migrate
grep -q '2  row_security *applied now' "$dir/out" || fail "migrate: $(cat "$dir/out")"
"$bin/gbill" migrate | grep -q '2  row_security *applied before' || fail "second migrate"
pg_sql "$PG_URL" "CREATE ROLE gbill_reader NOLOGIN; CREATE ROLE app LOGIN IN ROLE gbill_reader"
pg_sql "$DATABASE_URL" "SELECT billing.grant_reader()" >/dev/null

# ---- events to rows ----
agent_start
events 0 2000 | "$bin/gbill" send --format jsonl - >/dev/null
echo '{"id":"b","organizationId":"org-3","monthlyBudget":1,"alertThresholds":{"warning":80},"spikeDetection":{"enabled":true,"threshold":300}}' |
    "$bin/gbill" send --kind budget --format jsonl - >/dev/null
jobs
"$bin/gbill" publish >"$dir/out"
grep -q 'version 1; all rows were sent: the database is new to this log' "$dir/out" || fail "$(cat "$dir/out")"
sums=$(pg_sql "$DATABASE_URL" "SELECT sum(calls), sum(input_tokens), sum(output_tokens) FROM billing.usage_monthly")
want=$(awk 'BEGIN { for (i = 0; i < 2000; i++) { a += i; b += i % 7 } print 2000 "|" a "|" b }')
[ "$sums" = "$want" ] || fail "sums are $sums, expected $want"
[ "$(pg_sql "$DATABASE_URL" "SELECT count(*) FROM billing.invoices WHERE total_minor <> (SELECT sum(amount_minor) FROM billing.invoice_lines l WHERE (l.organization_id, l.period_start) = (invoices.organization_id, invoices.period_start))")" = 0 ] ||
    fail "an invoice is not the sum of its lines"

# Settings with their defaults, an alert, the parts of each invoice.
[ "$(pg_sql "$DATABASE_URL" "SELECT monthly_budget, alert_thresholds, spike_detection, email_alerts, auto_limits FROM billing.budget_settings")" = \
    '1|{"warning": 80}|{"enabled": true, "threshold": 300}|t|{"enabled": false, "pauseAt": 100}' ] || fail "budget_settings"
[ "$(pg_sql "$DATABASE_URL" "SELECT kind, percent, threshold, budget_minor FROM billing.budget_alerts")" = 'threshold|80|warning|1' ] ||
    fail "budget_alerts: $(pg_sql "$DATABASE_URL" "TABLE billing.budget_alerts")"
[ "$(pg_sql "$DATABASE_URL" "SELECT count(*) FROM billing.invoices i WHERE total_minor <> ALL (SELECT coalesce(sum(amount_minor), 0) FROM billing.chargeback c, (VALUES ('project'), ('user')) d(d) WHERE c.organization_id = i.organization_id AND c.period_start = i.period_start AND dimension = d.d GROUP BY d.d)")" = 0 ] ||
    fail "parts do not add up"

# ---- again: nothing is written, no transaction number is taken ----
before=$(pg_sql "$PG_URL" "SELECT pg_snapshot_xmax(pg_current_snapshot())")
"$bin/gbill" publish >"$dir/out"
grep -q 'nothing to publish: Postgres shows event 2001, version 1' "$dir/out" || fail "$(cat "$dir/out")"
"$bin/gbill" publish --json | python3 -c 'import json, sys
rows = json.load(sys.stdin)
assert len(rows) == 15 and all(r["mode"] == "nothing" and r["sent"] == 0 for r in rows), rows' ||
    fail "publish --json"
[ "$(pg_sql "$PG_URL" "SELECT pg_snapshot_xmax(pg_current_snapshot())")" = "$before" ] ||
    fail "a publish of nothing wrote to Postgres"

# ---- a reader sees one organization ----
app="postgresql:///granted?host=$PG_SOCKET&user=app"
[ "$(pg_sql "$app" "SELECT count(*) FROM billing.usage_hourly")" = 0 ] || fail "a reader sees all"
[ "$(pg_sql "$app" "SET billing.organization_id = 'org-3'; SELECT string_agg(DISTINCT organization_id, ',') FROM billing.usage_hourly")" = org-3 ] ||
    fail "a reader does not see its own"
! pg_sql "$app" "SET billing.organization_id = 'org-3'; DELETE FROM billing.usage_hourly" 2>/dev/null ||
    fail "a reader may delete"

# ---- kill -9 at random moments, with new events each time ----
# Kills fall into the time that a publish of as many events takes on this machine; one that came
# too late makes the next ones come sooner, so that a slow first publish cannot spoil them all.
events 2000 2050 | "$bin/gbill" send --format jsonl - >/dev/null
jobs
span_ms=$(date +%s%N)
"$bin/gbill" publish >/dev/null
span_ms=$((($(date +%s%N) - span_ms) / 1000000 + 1))
killed=0
for ((i = 1; killed < 6; i++)); do
    [ "$i" -le 60 ] || fail "only $killed of 60 kills came in time"
    events $((2000 + i * 50)) $((2050 + i * 50)) | "$bin/gbill" send --format jsonl - >/dev/null
    jobs
    "$bin/gbill" publish >/dev/null 2>&1 &
    victim=$!
    late_ms=$((RANDOM % span_ms))
    sleep "$(printf '%d.%03d' $((late_ms / 1000)) $((late_ms % 1000)))"
    kill -9 "$victim" 2>/dev/null || true
    if wait "$victim" 2>/dev/null; then
        span_ms=$((span_ms * 3 / 4 + 1))
    else
        killed=$((killed + 1))
    fi
    # Hours and months are of one moment, or the rows of a publish came apart.
    [ "$(pg_sql "$DATABASE_URL" "SELECT (SELECT sum(calls) FROM billing.usage_hourly) = (SELECT sum(calls) FROM billing.usage_monthly)")" = t ] ||
        fail "half a publish shows after kill $i"
done
"$bin/gbill" publish >/dev/null
pg_create fresh -O owner >/dev/null
fresh="postgresql:///fresh?host=$PG_SOCKET&user=owner"
is=$(digest "$DATABASE_URL")
"$bin/gbill" migrate --database "$fresh" >/dev/null
"$bin/gbill" publish --database "$fresh" >/dev/null
[ "$is" = "$(digest "$fresh")" ] || fail "after the kills the rows differ from those of a new database"

# ---- what goes wrong ----
pg_create secret >/dev/null
pg_sql "$PG_URL" "ALTER ROLE owner PASSWORD 'right'"
says 13 'password authentication failed for user "owner".*check the user and the password' \
    "$bin/gbill" publish --database "postgresql://owner:hunter2@/secret?host=$PG_SOCKET"
says 13 'the server wants a password' "$bin/gbill" publish --database "postgresql://owner@/secret?host=$PG_SOCKET"
says 6 'run gbill migrate' "$bin/gbill" publish --database "postgresql://owner:right@/secret?host=$PG_SOCKET"
psql -X -q -A -t "$DATABASE_URL" -c 'SELECT pg_advisory_lock(444032707692), pg_sleep(5)' >/dev/null 2>&1 &
sleep 0.5
says 8 'another gbill publish or migrate has held its lock for 1 s' "$bin/gbill" publish --lock-wait-s 1
pg_stop "$dir/pg"
says 13 'cannot connect to Postgres at owner@' "$bin/gbill" publish
echo "published, killed $killed times, level with a new database"
