#!/usr/bin/env bash
# kill -9 of gbill stripe sync at many points, before a write to the disk and at random moments, while Stripe's double
# cuts connections and fails before and after it has done what was asked: nothing is lost there, nothing is there twice.
# Then the tables are lost: what is there is found again by its name.
. "$(dirname "$0")/lib.sh"
. tests/e2e/lib_stripe.sh
begin stripe_kill
kills=${KILLS:-60}

month=$(date -u +%Y-%m) now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
in_month() { date -u -d "$month-01 +$1 months" +%Y-%m; }
python3 - "$dir" "$month" "$now" <<'PYTHON'
import json, sys
folder, month, now = sys.argv[1:]
orgs = [f"org-{i}" for i in range(5)]
with open(folder + "/parties.json", "w") as f:
    json.dump({"format": "gbill-parties/1", "seller": {"name": "Us"}, "customers": {o: {"name": o, "email": o + "@a.example"} for o in orgs}}, f)
with open(folder + "/events.jsonl", "w") as f:
    for o in orgs:
        f.write(json.dumps({"kind": "subscription", "id": o + "s", "organizationId": o, "plan": "pro", "effectiveAt": month + "-01", "taxPercent": "19"}) + "\n")
        f.write(json.dumps({"kind": "usage", "id": o + "u", "organizationId": o, "userId": "u", "type": "chat", "provider": "openai",
                            "model": "gpt-4o-mini", "inputTokens": 3000000, "outputTokens": 0, "createdAt": now}) + "\n")
PYTHON
export GBILL_PARTIES=$dir/parties.json
agent_start
double_start
gbill send "$dir/events.jsonl" >/dev/null
gbill rollup >/dev/null
admin faults '{"rules": [
    {"match": "POST", "kind": "cut_after", "rate": 0.02, "times": 1000}, {"match": "POST", "kind": "status_after", "rate": 0.01, "times": 1000},
    {"match": "POST", "kind": "status", "rate": 0.01, "times": 1000}, {"match": ".", "kind": "cut", "rate": 0.01, "times": 1000},
    {"match": "POST", "kind": "status", "status": 429, "rate": 0.01, "times": 1000}, {"match": "POST", "kind": "status", "status": 409, "rate": 0.01, "times": 1000}]}' >/dev/null

# Each run is killed before its Nth write to the disk, or at a random moment; every twelfth may go on to its end, and a
# month is added when all is done.
RANDOM=${SEED:-20261129}
hit=0 months=0 bad=
add_month() {
    months=$((months + 1)) as_of=$(in_month $((months + 1)))-02
    gbill invoice run --now "$as_of" >/dev/null 2>&1
}
add_month
for ((k = 0; hit < kills; k++)); do
    if [ "$k" -ge $((kills * 12)) ]; then bad="only $hit of $k kills came in time" && break; fi
    status=0 die_at=0
    if ((k % 2)); then die_at=$((1 + RANDOM % 40)); fi
    DIE_AT=$die_at LD_PRELOAD=$bin/tests/libdie_at.so gbill stripe sync --now "$as_of" >"$dir/sync.out" 2>&1 &
    job=$!
    if ((k % 12)); then
        sleep "0.$(printf %03d $((RANDOM % 90 + k % 2 * 40)))"
        kill -9 "$job" || true
    fi
    wait "$job" || status=$?
    case $status in
        137) hit=$((hit + 1)) ;;
        0) if grep -q ' 0 *$' "$dir/sync.out"; then add_month; fi ;;
        *) bad="sync after kill $k: $status $(cat "$dir/sync.out")" && break ;;
    esac
done 2>/dev/null # the shell's word on each kill
[ -z "$bad" ] || fail "$bad"

settle() { # until nothing waits
    for _ in $(seq 100); do
        gbill stripe sync --json --now "$as_of" >"$dir/sync.out" 2>"$dir/sync.err" || fail "sync: $? $(cat "$dir/sync.err")"
        if grep -q '"waiting":0' "$dir/sync.out"; then return; fi
        sleep 0.1
    done
    fail "sync does not come to an end: $(gbill stripe status)"
}
settle
agree
killed=$(cat "$dir/agreed")

# The tables are lost, and with them what was asked for: folded and billed anew, all of it is found there.
made() { grep -c '"method": "POST", "path": "/v1/[a-z]*",.*"status": 200' "$dir/stripe.log"; }
admin faults '{"clear": true}' >/dev/null
before=$(made)
rm -f "$GBILL_DATA"/tables.mdb*
gbill rollup >/dev/null
for ((m = 2; m <= months + 1; m++)); do gbill invoice run --now "$(in_month $m)-02" >/dev/null 2>&1; done
settle
agree
same "$(made)" "$before" "objects made"

# Who waits for an hour is counted, though another's call passes at the second try.
for org in late-1 late-2; do
    printf '{"kind":"subscription","id":"%s","organizationId":"%s","plan":"pro"}\n' $org $org
done | gbill send --format jsonl - >/dev/null
gbill rollup >/dev/null
admin faults '{"rules": [{"match": "POST /v1/customers", "status": 429, "retry_after": 3600}, {"match": "POST /v1/customers"}]}' >/dev/null
gbill stripe sync --org late-1 --now "$as_of" >/dev/null 2>&1 || fail "sync of one that is to wait: $?"
gbill stripe sync --json --now "$as_of" >"$dir/sync.out" 2>"$dir/sync.err" || fail "sync: $? $(cat "$dir/sync.err")"
grep -q '"waiting":1}' "$dir/sync.out" || fail "one waits: $(cat "$dir/sync.out")"
echo "$hit of $k kills of sync came in time, $months months: $killed after $before objects were made; all found again when the tables were lost"
