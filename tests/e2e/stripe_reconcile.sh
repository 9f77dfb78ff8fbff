#!/usr/bin/env bash
# gbill stripe reconcile against the double: nothing differs where both sides agree, and each
# difference that is put there by hand is found, named, and the only one.
. "$(dirname "$0")/lib.sh"
begin stripe_reconcile

python3 tests/support/stripe_server.py "$dir/asked" "$dir/port" 7 2>"$dir/double.log" &
children="$children $!"
wait_for "$dir/port"
stripe=http://127.0.0.1:$(cat "$dir/port")
export GBILL_PARTIES=$dir/parties.json STRIPE_API_BASE=$stripe STRIPE_SECRET_KEY=sk_test_ofThisTestAlone
secret=whsec_ofTheDoubleOfStripe
admin() {
    local body=${2:-}
    curl -sf --data-binary "${body:-"{}"}" "$stripe/admin/$1" || fail "admin $1 $body: $(cat "$dir/double.log")"
}
cat >"$dir/parties.json" <<'JSON'
{"format": "gbill-parties/1", "seller": {"name": "Us, Inc"}, "paymentDays": 14, "customers": {
 "acme": {"email": "a@acme.example"}, "bolt": {"email": "b@bolt.example"}, "cora": {"email": "c@cora.example"}}}
JSON
agent_start
STRIPE_WEBHOOK_SECRET=$secret gbill api --listen 127.0.0.1:0 2>"$dir/api.log" &
children="$children $!"
for _ in $(seq 400); do grep -q event=listening "$dir/api.log" && break; sleep 0.05; done
hook=http://$(sed -n 's/.*event=listening on=\([^ ]*\).*/\1/p' "$dir/api.log")/api/billing/stripe/webhook
admin webhook "{\"url\": \"$hook\", \"secret\": \"$secret\", \"hold\": true}" >/dev/null

# ---- three organizations: two charges, use, a dozen adjustments ----
month=$(date -u +%Y-%m) now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
as_of=$(date -u -d "$month-01 +1 month" +%Y-%m)-02
{
    for org in acme bolt cora free; do
        [ $org = free ] || printf '{"kind":"subscription","id":"s-%s","organizationId":"%s","plan":"pro","effectiveAt":"%s-01","taxPercent":"20"}\n' $org $org "$month"
        printf '{"id":"u-%s","organizationId":"%s","userId":"u","type":"chat","provider":"openai","model":"gpt-4o-mini","inputTokens":4000000,"outputTokens":0,"createdAt":"%s"}\n' $org $org "$now"
    done
    for n in $(seq 14); do
        printf '{"kind":"adjustment","id":"a-%s","organizationId":"bolt","amount":%s,"currency":"USD","reason":"the %s-th","createdAt":"%s"}\n' "$n" "$((n * 7))" "$n" "$now"
    done
} | gbill send --format jsonl - >/dev/null
fold() { gbill rollup >/dev/null && gbill invoice run --now "$as_of" >/dev/null 2>"$dir/run" || fail "$(cat "$dir/run")"; }
sync() {
    for _ in $(seq 40); do
        gbill stripe sync --json --now "$as_of" >"$dir/sync" 2>"$dir/said" || fail "sync: $(cat "$dir/said")"
        ! grep -q '"waiting":0' "$dir/sync" || return 0
        sleep 0.1
    done
    fail "sync does not end: $(cat "$dir/said")"
}
found() { python3 -c 'import json, sys
print("".join("{difference} {organization} {invoice}/{line}; ".format(**row) for row in json.load(sys.stdin)))' <"$dir/out"; }
agrees() { expect 0 "$1 of $1 invoices agree" gbill stripe reconcile --json "${@:2}" && same "$(found)" "" "differences"; }
differs() { # WANT [OPTION...]: these differences and no other
    expect 7 'differences; see --help' gbill stripe reconcile --json "${@:2}"
    same "$(found)" "$1" "differences ($(cat "$dir/out"))"
}
fold
expect 7 ' 1 of 4 invoices agree' gbill stripe reconcile
grep -q 'missing_there .*acme' "$dir/out" || fail "nothing is there, and $(cat "$dir/out")"
sync
agrees 4
number_of() { gbill invoice list --org "$1" --json | sed -n 's/.*"number":\([1-9][0-9]*\).*/\1/p' | head -1; }
acme=$(number_of acme) bolt=$(number_of bolt)
agrees 1 --org acme
agrees 4 --from "$month"
agrees 0 --to "$month"
expect 2 'must be a time' gbill stripe reconcile --from yesterday
expect 9 'STRIPE_SECRET_KEY' env STRIPE_SECRET_KEY=sk_test_wrong gbill stripe reconcile
[ "$(gbill invoice show --number "$bolt" --json | grep -o '"amount"' | wc -l)" -gt 10 ] || fail "bolt has few lines"

# ---- each difference, by itself ----
at() { python3 -c 'import json, sys
kind, key, name = sys.argv[1:]
found = [o for o in json.load(sys.stdin)[kind] if o["metadata"].get("gbill_key") == key]
assert len(found) == 1, found
print(json.dumps(found[0][name]).strip(chr(34)))' "$@" <"$dir/state"; } # KIND KEY NAME
alter() { admin alter "{\"kind\": \"$1\", \"id\": \"$2\", \"fields\": {\"$3\": $4}}" >/dev/null; }
altered() { # WANT KIND KEY NAME VALUE: only that
    local id was
    admin state >"$dir/state"
    id=$(at "$2" "$3" id)
    was=$(at "$2" "$3" "$4")
    alter "$2" "$id" "$4" "$5"
    differs "$1"
    [[ $was =~ ^(-?[0-9]+|\{.*|null)$ ]] || was="\"$was\""
    alter "$2" "$id" "$4" "$was" # or the next ones differ in this too
}
admin state >"$dir/state"
other=$(at customer customer/cora id)
altered "customer acme $acme/0; " invoice "invoice/$acme" customer "\"$other\""
altered "currency acme $acme/0; " invoice "invoice/$acme" currency '"eur"'
altered "total acme $acme/0; " invoice "invoice/$acme" total 1
altered "due acme $acme/0; " invoice "invoice/$acme" amount_due 1
altered "status acme $acme/0; " invoice "invoice/$acme" status '"draft"'
altered "status acme $acme/0; " invoice "invoice/$acme" status '"void"'
altered "status acme $acme/0; " invoice "invoice/$acme" status '"paid"'
altered "paid acme $acme/0; " invoice "invoice/$acme" amount_paid 1
altered "line_amount acme $acme/2; " line_item "line/$acme/2" amount 1
altered "line_amount bolt $bolt/13; " line_item "line/$bolt/13" amount 1
altered "line_extra acme $acme/0; line_missing acme $acme/2; " line_item "line/$acme/2" metadata '{}'
altered "line_extra acme $acme/1; line_missing acme $acme/2; " line_item "line/$acme/2" metadata "{\"gbill_key\": \"line/$acme/1\"}"
altered "missing_here acme 0/0; missing_there acme $acme/0; " invoice "invoice/$acme" metadata '{}'
altered "missing_here acme 0/0; missing_there acme $acme/0; " invoice "invoice/$acme" metadata '{"gbill_key": "invoice/99"}'
alter invoice "$(at invoice "invoice/$acme" id)" total 1
agrees 1 --org bolt
alter invoice "$(at invoice "invoice/$acme" id)" total "$(at invoice "invoice/$acme" total)"
# Twice: one more of the same name, empty.
admin do "{\"request\": \"POST /v1/invoices\", \"params\": {\"customer\": \"$(at customer customer/acme id)\", \"metadata\": {\"gbill_key\": \"invoice/$acme\"}}}" >"$dir/twice"
expect 7 'differences' gbill stripe reconcile --json
found | grep -q "double acme $acme/0; " || fail "not double: $(found)"
admin do "{\"request\": \"DELETE /v1/invoices/$(sed -n 's/^  "id": "\(.*\)",$/\1/p' "$dir/twice")\"}" >/dev/null
agrees 4

# ---- what was paid: what came in is known by its event, and until then it differs ----
told() { admin release '{"seed": 3}' >/dev/null && admin settle >/dev/null && fold; }
told
agrees 4
card() { admin card "{\"customer\": \"$(at customer "customer/$1" id)\"}" >/dev/null; }
pay() { admin do "{\"request\": \"POST /v1/invoices/$(at invoice "invoice/$1" id)/pay\"}" >/dev/null; }
card acme
pay "$acme"
differs "status acme $acme/0; paid acme $acme/0; "
told
agrees 4
admin refund "{\"invoice\": \"$(at invoice "invoice/$acme" id)\", \"amount\": 700}" >/dev/null
differs "paid acme $acme/0; "
told
agrees 4
dispute=$(admin dispute "{\"invoice\": \"$(at invoice "invoice/$acme" id)\", \"amount\": 500}" | sed -n 's/^  "id": "\(.*\)",$/\1/p')
differs "paid acme $acme/0; "
told
agrees 4
admin dispute_becomes "{\"dispute\": \"$dispute\", \"status\": \"won\"}" >/dev/null
differs "paid acme $acme/0; "
told
agrees 4

# ---- a correction of a paid invoice is a credit note there; and one that is void there is none ----
cora=$(number_of cora)
card cora
pay "$cora"
told
printf '{"kind":"void","id":"v-cora","organizationId":"cora","voids":"u-cora","at":"%s"}\n' "$now" | gbill send --format jsonl - >/dev/null
printf '{"kind":"subscription","id":"c-cora","organizationId":"cora","action":"cancelled"}\n' | gbill send --format jsonl - >/dev/null
as_of=$(date -u -d "$month-01 +2 months" +%Y-%m)-02
fold
sync
told
admin state >"$dir/state"
note=$(gbill invoice list --org cora --json | sed -n 's/.*"number":\([1-9][0-9]*\).*"total":"-.*/\1/p')
[ -n "$note" ] || fail "no credit note: $(gbill invoice list --org cora)"
agrees 7
same "$(at credit_note "credit/$note" status)" issued "Stripe's credit note"
altered "total cora $note/0; " credit_note "credit/$note" total 1
altered "status cora $note/0; " credit_note "credit/$note" status '"void"'
altered "missing_here cora 0/0; missing_there cora $note/0; " credit_note "credit/$note" metadata '{}'
agrees 7

# Nothing was changed there, and no secret is anywhere.
[ ! -s "$dir/double.log" ] || fail "the double: $(tail -5 "$dir/double.log")"
if grep -rl 'ofThisTestAlone' "$dir"; then fail "a secret is in these files"; fi
echo "each difference is found, and nothing else"
