#!/usr/bin/env bash
# gbill run: one event, then silence, is in Postgres within five seconds; Postgres may go away for a
# while; SIGTERM ends it with 0.
. "$(dirname "$0")/lib.sh"
begin run

pg_start "$dir/pg"
export DATABASE_URL=$PG_URL
"$bin/gbill" migrate >/dev/null
# It may start before there is anything to do.
"$bin/gbill" run 2>"$dir/run.log" &
run=$! children=$!
agent_start
sleep 2

event() { printf '{"id":"%s","organizationId":"solo","userId":"u","type":"chat","provider":"openai","model":"gpt-4o","inputTokens":1000,"outputTokens":10}\n' "$1" | "$bin/gbill" send --format jsonl - >/dev/null; }
seen() { pg_sql "$DATABASE_URL" "SELECT coalesce(sum(calls), 0) FROM billing.usage_hourly WHERE organization_id = 'solo'"; }
# wait_seen CALLS SECONDS
wait_seen() {
    local end=$(($(date +%s%N) + $2 * 1000000000))
    while [ "$(date +%s%N)" -lt "$end" ]; do [ "$(seen)" = "$1" ] && return; sleep 0.1; done
    fail "$(seen) calls in Postgres $2 s after the ack, expected $1"
}

# The fold backs off while there is no log yet; let it find the first event once.
event one
wait_seen 1 20
from=$(date +%s%N)
event two
wait_seen 2 5
took=$((($(date +%s%N) - from) / 1000000))
[ "$(pg_sql "$DATABASE_URL" "SELECT count(*) FROM billing.limits_snapshots")" = 4 ] || { sleep 3; [ "$(pg_sql "$DATABASE_URL" "SELECT count(*) FROM billing.limits_snapshots")" = 4 ] || fail "no limits snapshot"; }

pg_stop "$dir/pg"
event three
sleep 3
pg_as_owner "$PG_BIN/pg_ctl" -D "$dir/pg/data" -l "$dir/pg/postgres.log" -s -w -t 30 start
wait_seen 3 20
kill "$run"
wait "$run" || fail "gbill run did not end with 0"
children=
echo "one event: in Postgres $took ms after it was sent; Postgres went away and came back"
