#!/usr/bin/env bash
# gbill audit: a mixed history balances, with the log too; README's example as it stands there; the
# roots of days in the file and in Postgres are those that log verify computes; a log that is changed
# afterwards, by whoever can write it, is found out by either.
. "$(dirname "$0")/lib.sh"
begin audit

days=0
# next_day: what was received until now becomes that of an earlier day, oldest first
next_day() {
    days=$((days + 1))
    becomes $((4 - days))
}
# events ID_PREFIX: twenty calls of two organizations
events() {
    awk -v p="$1" 'BEGIN { for (i = 0; i < 20; i++)
        printf "{\"id\":\"%s-%d\",\"organizationId\":\"org-%d\",\"userId\":\"u\",\"type\":\"chat\"," \
               "\"provider\":\"openai\",\"model\":\"%s\",\"inputTokens\":%d,\"outputTokens\":1}\n",
               p, i, i % 2, i == 7 ? "nobody-knows" : "gpt-4o-mini", i }'
}
send() { gbill send --format jsonl - >/dev/null 2>&1; }

# The script names files by today's date and must not run over midnight.
[ "$(date -u +%H%M)" -lt 2359 ] || sleep 61
today=$(date -u +%F)

agent_start
expect 6 'nothing has been folded yet; run gbill rollup' gbill audit
expect 6 'no log here yet' gbill audit --roots --data "$dir"
events a | send
events a | send
events a | sed 's/"outputTokens":1/"outputTokens":2/' | head -3 | send
printf '{"kind":"void","id":"v1","organizationId":"org-1","voids":"a-1","at":"%sT00:00:00Z"}\n' "$today" | send
printf '{"kind":"void","id":"v2","organizationId":"org-1","voids":"never","at":"%sT00:00:00Z"}\n' "$today" | send
printf '{"organizationId":"org-1"}\n' | send
next_day
events b | send
gbill rollup >/dev/null 2>&1

# ---- the balance ----
gbill audit --log >"$dir/out" 2>"$dir/err" || fail "audit: $(cat "$dir/err")"
grep -q '^It closes: every event is in one column, and all tables and the log agree' "$dir/out" ||
    fail "$(cat "$dir/out")"
[ ! -s "$dir/err" ] || fail "$(cat "$dir/err")"
gbill audit --by org --json | python3 -c '
import json, sys
rows = {r.pop("organizationId"): r for r in json.load(sys.stdin)}
names = ["accepted", "priced", "estimated", "unpriced", "duplicate", "voided", "settings",
         "quarantined", "conflicting", "open"]
want = {"": [0] * 7 + [1, 0, 0],
        "org-0": [32, 20, 0, 0, 12, 0, 0, 0, 2, 0],
        "org-1": [33, 17, 0, 2, 11, 1, 2, 0, 1, 0]}
assert rows == {o: dict(zip(names, n)) for o, n in want.items()}, rows' || fail "the balance"
gbill audit --by month --org org-1 --csv | grep -q "^org-1,${today%-*},33,17," || fail "--by month --org"
[ "$(gbill audit --by day --from "$(date -u -d "$today -9 day" +%F)" --to "$(date -u -d "$today -8 day" +%F)" --csv | wc -l)" = 1 ] ||
    fail "--from and --to"
gbill audit --conflicts --csv | tr -d '\r' | cut -d, -f1-5 >"$dir/out"
printf 'seq,firstSeq,kind,id,organizationId\n41,1,usage,a-0,org-0\n42,2,usage,a-1,org-1\n43,3,usage,a-2,org-0\n' |
    diff - "$dir/out" || fail "--conflicts"
gbill audit --voids --csv | tr -d '\r' | cut -d, -f1,3- >"$dir/out"
printf 'seq,organizationId,voids,voidedSeq,outcome\n44,org-1,a-1,2,voided\n45,org-1,never,,its event has not come\n' |
    diff - "$dir/out" || fail "--voids"
expect 2 'exclude each other' gbill audit --voids --conflicts
expect 2 'write hour, day, month or org' gbill audit --by week
expect 2 'for --roots alone' gbill audit --output x
expect 6 'no event of organization "org-9"' gbill audit --org org-9

# ---- README's example, as it stands ----
awk '/^## Prove it/ {here = 1} here && $0 == "```sh" {on = 1; next} on && /^```/ {exit} on' README.md >"$dir/example.sh"
[ "$(grep -c '^gbill ' "$dir/example.sh")" -ge 4 ] || fail "README has no example in sh"
(cd "$dir" && sh -e ./example.sh >"$dir/out" 2>"$dir/err") || fail "README's example: $(cat "$dir/err")"
[ "$(wc -l <"$dir/roots.jsonl")" = 1 ] || fail "README's example wrote $(cat "$dir/roots.jsonl")"

# ---- roots: one line a day; those of log verify; the same in Postgres ----
gbill audit --roots >/dev/null
next_day
events c | send
gbill audit --roots | grep -q '^1 of 2 closed days are new in ' || fail "the second day"
python3 - "$GBILL_DATA/roots.jsonl" <<PY || fail "the roots are not those of log verify --days"
import json, subprocess, sys
rows = json.loads(subprocess.check_output(["gbill", "log", "verify", "--days", "--json"]))
chain = {(r["stream"], r["day"]): r["chain"] for r in rows}
last = {r["day"]: r["lastSeq"] for r in rows if r["stream"] == "events"}
roots = [json.loads(line) for line in open(sys.argv[1])]
assert [r["events"] for r in roots] == [45, 20] and [r["quarantined"] for r in roots] == [1, 0], roots
for r in roots:
    assert r["chain"] == chain["events", r["day"]], r
    assert r["lastSeq"] == last[r["day"]], r
assert roots[0]["quarantineChain"] == roots[1]["quarantineChain"] == chain["quarantine", roots[0]["day"]]
PY
pg_start "$dir/pg"
export DATABASE_URL=$PG_URL
gbill migrate >/dev/null
# gbill run keeps them.
next_day
events d | send
gbill run 2>"$dir/run.log" &
run=$! children=$!
for _ in $(seq 150); do
    [ "$(pg_sql "$PG_URL" "SELECT count(*) FROM billing.log_days")" = 3 ] && break
    sleep 0.1
done
kill "$run" && wait "$run" || fail "gbill run: $(cat "$dir/run.log")"
children=
pg_sql "$PG_URL" "SELECT json_build_object('day', day, 'chain', chain, 'quarantineChain', quarantine_chain,
        'firstSeq', first_seq, 'lastSeq', last_seq, 'events', events, 'quarantined', quarantined, 'frames', frames)
    FROM billing.log_days WHERE log_identity = (SELECT log_identity FROM billing.publish_state) ORDER BY day" |
    sed 's/ : /:/g; s/, "/,"/g' | diff - "$GBILL_DATA/roots.jsonl" || fail "Postgres has other roots than the file"
gbill audit --log >/dev/null 2>&1 || fail "audit --log at the end"

# ---- a log that is written anew, with one token less, has a sound chain and another root ----
# Only the day's file is replaced; what was published stands.
agent_stop
GBILL_DATA=$dir/forged agent_start
events a | sed 's/"inputTokens":19/"inputTokens":18/' | gbill send --data "$dir/forged" --format jsonl - >/dev/null 2>&1
agent_stop
first=$(basename "$(ls "$GBILL_DATA"/log/*.mdb | head -1)" .mdb)
cp -r "$GBILL_DATA" "$dir/cut"
rm "$GBILL_DATA"/log/*
mv "$dir/forged/log/$today.mdb" "$GBILL_DATA/log/$first.mdb"
agent_start
events x | send
gbill log verify >/dev/null || fail "the forged log is sound in itself"
expect 12 "roots.jsonl: the root of $first is .*, but the log gives .*" gbill audit --roots
agent_stop

# ---- a log from which the last days are gone ----
newest=$(ls "$dir/cut"/log/*.mdb | tail -2 | head -1)
rm "$(ls "$dir/cut"/log/*.mdb | tail -1)" "$newest"
expect 12 "has a root of $(basename "$(ls "$dir/cut"/log/*.mdb | tail -1)" .mdb), but the log has no such closed day" \
    gbill audit --roots --data "$dir/cut"
expect 12 'the tables stand at 105, where the log, which ends at 65' gbill audit --log --data "$dir/cut"
echo "balance, lists, README's example, roots of 3 days in the file and in Postgres; two forged logs found out"
