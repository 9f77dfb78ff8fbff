#!/usr/bin/env bash
# gbill stripe sync against the double: all that is there to be made is made once, whatever goes wrong.
. "$(dirname "$0")/lib.sh"
begin stripe_sync

python3 tests/support/stripe_server.py "$dir/asked" "$dir/port" 7 2>"$dir/double.log" &
children="$children $!"
wait_for "$dir/port"
api=http://127.0.0.1:$(cat "$dir/port")
export STRIPE_API_BASE=$api STRIPE_SECRET_KEY=sk_test_gbill GBILL_PARTIES=$dir/parties.json
admin() { curl -sf -X POST --data "${2:-{\}}" "$api/admin/$1"; }


python3 - "$dir/parties.json" <<'PYTHON'
import json, sys
customers = {"acme": {"name": "Acme & Söhne", "email": "billing@acme.example"}, "b&c=d [e]": {"email": "x@y.example"}}
customers |= {f"org{n}": {"email": f"pay@org{n}.example"} for n in range(19)}
json.dump({"format": "gbill-parties/1", "seller": {"name": "Us, Inc"}, "paymentDays": 14, "customers": customers}, open(sys.argv[1], "w"))
PYTHON
month=$(date -u +%Y-%m) now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
next=$(date -u -d "$month-01 +1 month" +%Y-%m)
agent_start
python3 - "$month" "$now" >"$dir/events.jsonl" <<'PYTHON'
import json, sys
month, now = sys.argv[1:]
def say(**event): print(json.dumps(event))
plans = [("acme", "pro"), ("b&c=d [e]", "enterprise"), ("free", None)] + [(f"org{n}", "pro") for n in range(20)]
for i, (name, plan) in enumerate(plans):
    if plan: say(kind="subscription", id=f"s{i}", organizationId=name, plan=plan, effectiveAt=month + "-01", taxPercent="20")
    say(kind="usage", id=f"u{i}", organizationId=name, userId="u", type="chat", provider="openai", model="gpt-4o-mini",
        inputTokens=1200000 if plan else 10, outputTokens=0, createdAt=now)
PYTHON
"$bin/gbill" send "$dir/events.jsonl" >/dev/null
fold() { "$bin/gbill" rollup >/dev/null && "$bin/gbill" invoice run --now "$next-02" >/dev/null 2>&1; }
fold

# Every object there has a name of ours, once, and what it says is what gbill has; prints how many of each.
held() {
    admin state >"$dir/state"
    "$bin/gbill" invoice list --json >"$dir/invoices"
    python3 - "$dir/state" "$dir/invoices" <<'PYTHON'
import collections, decimal, json, sys
state, ours = (json.load(open(path)) for path in sys.argv[1:])
names = collections.Counter(o["metadata"]["gbill_key"] for kind, held in state.items() if kind != "line_item" for o in held if o.get("metadata", {}).get("gbill_key"))
assert max(names.values()) == 1, names.most_common(3)
there = {i["metadata"]["gbill_invoice"]: i for i in state["invoice"] if "gbill_invoice" in i["metadata"]}
customers = {c["id"]: c["metadata"]["gbill_organization"] for c in state["customer"]}
final = [i for i in ours if i["status"] != "draft"]
for i in final:
    if str(i["number"]) not in there: continue
    t = there[str(i["number"])]
    cents = int(decimal.Decimal(i["total"]) * 100)
    assert (t["total"], t["currency"], customers[t["customer"]]) == (cents, i["currency"].lower(), i["organization"]), (i, t)
    assert t["status"] == "open" and len(t["lines"]["data"]) > 1, t
for s in state["subscription"]:
    assert [item["quantity"] for item in s["items"]["data"]] == [0], s
print(*(f"{kind}={len(state[kind])}" for kind in ("product", "price", "customer", "subscription")), f"invoices={len(there)}/{len(final)}")
PYTHON
}
sync() { "$bin/gbill" stripe sync --json 2>"$dir/said" | tr -d '[]\n' || true; }

# What is missing or wrong is said, before anything is asked.
expect 3 'STRIPE_SECRET_KEY is not set' env -u STRIPE_SECRET_KEY "$bin/gbill" stripe sync
expect 3 'STRIPE_SECRET_KEY is no secret key' env STRIPE_SECRET_KEY=pk_test_oops "$bin/gbill" stripe sync
expect 3 'is of test mode, STRIPE_PUBLISHABLE_KEY of live mode' env STRIPE_PUBLISHABLE_KEY=pk_live_1234567 "$bin/gbill" stripe sync
same "$(cat "$dir/asked" 2>/dev/null | wc -l)" 0 "asked without a key"
expect 9 'Stripe does not accept the key in STRIPE_SECRET_KEY' env STRIPE_SECRET_KEY=sk_test_wrong "$bin/gbill" stripe sync
! grep -q 'sk_test_wrong\|wrong' "$dir/err" || fail "the key is told: $(cat "$dir/err")"
expect 9 "does not accept the key" env STRIPE_SECRET_KEY=rk_test_poor "$bin/gbill" stripe sync

# The calls alone: no key, nothing asked, nothing stored.
asked=$(wc -l <"$dir/asked")
env -u STRIPE_SECRET_KEY "$bin/gbill" stripe sync --dry-run >"$dir/dry"
same "$(wc -l <"$dir/asked")" "$asked" "asked by --dry-run"
python3 - "$dir/dry" <<'PYTHON'
import json, sys
calls = [json.loads(line) for line in open(sys.argv[1])]
names = [c["name"] for c in calls]
assert len(set(names)) == len(names) and {"product/pro", "customer/acme", "subscription/acme", "invoice/1", "line/1/1", "finalize/1", "collect/1"} <= set(names), names
PYTHON

# Answers that come too late, before and after it is done: the same call again, and nothing is there twice.
admin faults '{"rules": [{"match": "POST /v1/(customers|invoiceitems)", "kind": "slow_after", "seconds": 3, "times": 3},
    {"match": "finalize", "kind": "slow", "seconds": 3, "times": 2}]}' >/dev/null
# An organization without an address: its invoice is refused, the others go on; then mended.
STRIPE_TIMEOUT=1 "$bin/gbill" stripe sync --json >"$dir/first" 2>"$dir/said" || true
grep -q '"refused":1,"waiting":' "$dir/first" || fail "the first run: $(cat "$dir/first" "$dir/said")"
for _ in $(seq 50); do
    if "$bin/gbill" stripe sync --json | grep -q '"refused":0,"waiting":0'; then break; fi
    sleep 0.2
done
python3 - "$dir/asked" <<'PYTHON'
import collections, json, sys
keys = collections.Counter(line.get("key") for line in map(json.loads, open(sys.argv[1])) if line["method"] == "POST")
assert sum(n > 1 for n in keys.values()) == 5, keys.most_common(7)
PYTHON
grep -q "invoice/.*: refused by Stripe: 400 .*email" "$dir/said" || fail "$(cat "$dir/said")"
"$bin/gbill" stripe status | grep -q 'invoice/.*refused' || fail "status: $("$bin/gbill" stripe status)"
same "$(held)" "product=3 price=3 customer=22 subscription=22 invoices=21/23" "held"
sed -i 's/"org18"/"org19": {"email": "pay@org19.example"}, "org18"/' "$dir/parties.json"
"$bin/gbill" stripe sync --again >/dev/null
same "$(held)" "product=3 price=3 customer=22 subscription=22 invoices=22/23" "held, mended"
asked=$(wc -l <"$dir/asked")
same "$(sync)" '{"organizations":23,"sent":0,"found":0,"refused":0,"waiting":0}' "once more"
same "$(($(wc -l <"$dir/asked") - asked))" 1 "requests when all is done"

# The tables are lost, and billed anew in another order: nothing is made under numbers that are another's.
rm "$GBILL_DATA/tables.mdb"
gbill rollup >/dev/null
expect 7 'is our invoice [0-9]+ of .*, but here that number is of no final invoice' gbill stripe sync
same "$(held)" "product=3 price=3 customer=22 subscription=22 invoices=22/0" "held, numbered otherwise"

# Billed as before: what is there is found again, and nothing is made twice.
rm "$GBILL_DATA/tables.mdb"
fold
sync | grep -q '"refused":0,"waiting":0' || fail "adopting: $(cat "$dir/said")"
same "$(held)" "product=3 price=3 customer=22 subscription=22 invoices=22/23" "held, tables lost"



echo "made once: refused ones mended, nothing asked twice, found again when the tables were lost"
