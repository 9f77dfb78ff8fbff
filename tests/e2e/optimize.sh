#!/bin/bash
# gbill optimize: exact savings for each way of wasting money, answers by feedback events,
# nothing made twice, kill -9 at any point, and the same in Postgres.
. "$(dirname "$0")/lib.sh"
begin optimize
copies=8
day=$(date -u -d yesterday +%F)
wasteful() { python3 tests/support/wasteful.py "$day" "$@"; }
found() { # organization, type, saving, share, calls of all rows
    gbill optimize list --csv | python3 -c 'import csv, sys
for row in sorted((r["organization"], r["type"], r["saving"], r["savingNotInOthers"], r["calls"])
                  for r in csv.DictReader(sys.stdin)):
    print(",".join(row))'
}
status_of() { gbill optimize list --org "$1" --csv | python3 -c 'import csv, sys
print(" ".join(sorted(r["type"] + "=" + r["status"] for r in csv.DictReader(sys.stdin))))'; }
feedback() { # organization, type, status
    local id
    id=$(gbill optimize list --org "$1" --type "$2" --csv | python3 -c 'import csv, sys
print(next(csv.DictReader(sys.stdin))["id"])')
    printf '{"kind":"feedback","id":"f-%s-%s-%s","organizationId":"%s","recommendation":"%s","status":"%s"}\n' \
        "$1" "$2" "$3" "$1" "$id" "$3" | gbill send --format jsonl - >/dev/null
    gbill rollup >/dev/null
}

wasteful prices >"$dir/prices.json"
export GBILL_PRICES=$dir/prices.json
mkdir -p "$GBILL_DATA"
expect 6 'nothing has been folded yet' gbill optimize run
agent_start
wasteful events $copies | gbill send --format jsonl - >/dev/null
gbill rollup >/dev/null

# Killed anywhere, the next run ends where an undisturbed one does.
agent_stop
cp -r "$GBILL_DATA" "$dir/copy"
GBILL_DATA=$dir/copy gbill optimize run --json >"$dir/undisturbed"
grep -q '"made":128' "$dir/undisturbed" || fail "undisturbed: $(cat "$dir/undisturbed")"
kills=0
for delay in 0.002 0.005 0.01 0.02 0.03 0.04 0.06; do
    gbill optimize run >/dev/null 2>&1 &
    pid=$!
    sleep $delay
    kill -9 $pid 2>/dev/null && kills=$((kills + 1))
    wait $pid 2>/dev/null || true
done
[ $kills -gt 0 ] || fail "no run was killed"
gbill optimize run >/dev/null
same "$(found | sha256sum)" "$(GBILL_DATA=$dir/copy found | sha256sum)" "rows after kills"

# Each saving is what it was worked out to be, by hand so to speak.
wasteful expected $copies >"$dir/want"
found >"$dir/got"
diff "$dir/want" "$dir/got" >&2 || fail "savings differ"
gbill optimize list --org thrifty-0 --json >"$dir/out"
same "$(cat "$dir/out")" "[]" "who wastes nothing"
gbill optimize show overlap-0 --json | python3 -c 'import json, sys
from decimal import Decimal as D
r = json.load(sys.stdin)
shares = [D(x["impact"]["savingNotInOthers"]) for x in r["recommendations"]]
a = r["analysis"]
assert sum(shares) == D(a["avoidable"]) == D("0.13"), r
assert D(a["cost"]) == D("0.19") and a["score"] == 32 and a["calls"] == 30, r
assert shares == sorted(shares, reverse=True), shares
for x in r["recommendations"]:
    assert x["evidence"]["formula"] and x["implementation"]["steps"] and x["evidence"]["calls"], x' ||
    fail "show --json"
gbill optimize show overlap-0 >"$dir/out"
grep -q 'efficiency 32 of 100' "$dir/out" || fail "show: $(cat "$dir/out")"
expect 2 'type' gbill optimize list --type thrift
expect 2 'pending, applied or dismissed' gbill optimize list --status done
expect 6 'nobody' gbill optimize show nobody

# A second run of the day does nothing; an answer is taken over by it.
gbill optimize run --json | grep -q '"organizations":0,.*"made":0' || fail "a second run did something"
agent_start
feedback overlap-0 batch dismissed
feedback overlap-0 retries applied
gbill optimize run --json | grep -q '"answered":2' || fail "the answers are not taken over"
same "$(status_of overlap-0)" "batch=dismissed retries=applied" "answers"
gbill optimize run --again --json | grep -q '"made":0' || fail "an answered one was made again"
same "$(status_of overlap-0)" "batch=dismissed retries=applied" "answers after looking again"
printf '{"kind":"void","id":"v","organizationId":"overlap-0","voids":"f-overlap-0-batch-dismissed","at":"%s"}\n' \
    "$(date -u +%FT%TZ)" >"$dir/void"
gbill send --format jsonl "$dir/void" >/dev/null
gbill rollup >/dev/null
gbill optimize run >/dev/null
same "$(status_of overlap-0)" "batch=pending retries=applied" "a voided answer"
gbill audit >/dev/null || fail "the balance"

# A rebuild of the tables gives the same bytes, whatever was recommended.
gbill rollup --check >/dev/null || fail "rollup --check after recommendations"

# The same by HTTP, as its document says.
key=$(gbill key create --org overlap-0 2>/dev/null)
gbill api --listen "$dir/api.sock" 2>"$dir/api.log" &
children="$children $!"
wait_for "$dir/api.sock"
curl -sf --unix-socket "$dir/api.sock" -H "Authorization: Bearer $key" \
    "http://api/api/billing/optimization?organizationId=overlap-0" >"$dir/answer" || fail "the API: $(cat "$dir/api.log")"
python3 - "$dir/answer" <<'PY' || fail "the API's answer"
import json, sys
from decimal import Decimal as D
import jsonschema
answer, document = json.load(open(sys.argv[1])), json.load(open("schemas/openapi.json"))
content = document["paths"]["/api/billing/optimization"]["get"]["responses"]["200"]["content"]
jsonschema.Draft202012Validator(dict(content["application/json"]["schema"], components=document["components"])).validate(answer)
found = {r["type"]: r["status"] for r in answer["recommendations"]}
assert found == {"batch": "pending", "retries": "applied"} and answer["analysis"]["score"] == 32, answer
assert sum(D(r["impact"]["savingNotInOthers"]) for r in answer["recommendations"]) == D(answer["analysis"]["avoidable"]), answer
PY

pg_start "$dir/pg"
export DATABASE_URL=$PG_URL
gbill migrate >/dev/null
gbill publish >/dev/null
same "$(pg_sql "$PG_URL" "SELECT count(*), count(*) FILTER (WHERE status = 'applied'),
    sum((impact->>'savingNotInOthers')::numeric) FILTER (WHERE organization_id = 'overlap-0')
    FROM billing.optimization_recommendations")" "128|1|0.13" "recommendations in Postgres"
same "$(pg_sql "$PG_URL" "SELECT score, actual, avoidable, avoidable_cents, last_day = '$day'
    FROM billing.efficiency WHERE organization_id = 'overlap-0'")" "32|0.19|0.13|13|t" "efficiency in Postgres"
same "$(pg_sql "$PG_URL" "SELECT count(*) FROM billing.efficiency")" $((copies * 16)) "organizations"
echo "every saving is exact, none is said twice, answers hold"
