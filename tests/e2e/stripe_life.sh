#!/usr/bin/env bash
# A month's whole life with Stripe, by its double, which fails and tells things twice and in disorder: subscribe, use,
# upgrade, invoice, pay, dispute, refund, credit, decline, cancel in the portal, check out.  Both sides agree to the cent,
# and npm's stripe takes every request that was made.
. "$(dirname "$0")/lib.sh"
. tests/e2e/lib_stripe.sh
begin stripe_life
stripe_packages

month=$(date -u +%Y-%m) now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
in_month() { date -u -d "$month-01 +$1 months" +%Y-%m; }
cat >"$dir/parties.json" <<'JSON'
{"format": "gbill-parties/1", "seller": {"name": "Us, Inc"}, "paymentDays": 14,
 "customers": {"acme": {"name": "Acme Größe & Co", "email": "pay@acme.example"}, "bolt": {"name": "Bolt", "email": "b@bolt.example"},
  "cora": {"name": "Cora", "email": "c@cora.example"}, "dune": {"name": "Dune", "email": "d@dune.example"},
  "echo": {"name": "Echo", "email": "e@echo.example"}, "fern": {"name": "Fern", "email": "f@fern.example"}}}
JSON
export GBILL_PARTIES=$dir/parties.json
agent_start
double_start

say() { cat >"$dir/events.jsonl" && gbill send "$dir/events.jsonl" >/dev/null; }
calls() { # ID ORGANIZATION TOKENS
    printf '{"kind":"usage","id":"%s","organizationId":"%s","userId":"u","type":"chat","provider":"openai","model":"gpt-4o-mini","inputTokens":%s,"outputTokens":0,"createdAt":"%s"}\n' "$1" "$2" "$3" "$now"
}
plan() { # ID ORGANIZATION PLAN DAY [MORE]
    printf '{"kind":"subscription","id":"%s","organizationId":"%s","plan":"%s","effectiveAt":"%s"%s}\n' "$1" "$2" "$3" "$4" "${5:-}"
}
export STRIPE_WEBHOOK_SECRET=whsec_which_is_the_old_one,whsec_of_the_double_of_stripe
gbill api --listen 127.0.0.1:0 2>"$dir/api.log" &
children="$children $!"
for _ in $(seq 400); do grep -q event=listening "$dir/api.log" && break; sleep 0.05; done
[ -s "$dir/api.log" ] && grep -q event=listening "$dir/api.log" || fail "gbill api: $(cat "$dir/api.log")"
api=$(sed -n 's/.*event=listening on=\([^ ]*\).*/\1/p' "$dir/api.log")
admin webhook "{\"url\": \"http://$api/api/billing/stripe/webhook\", \"secret\": \"whsec_of_the_double_of_stripe\", \"hold\": true}" >/dev/null

# Until nothing waits for another try.
sync() {
    for _ in $(seq 60); do
        gbill stripe sync --json "$@" >"$dir/sync.out" 2>"$dir/sync.err" || fail "sync: $? $(cat "$dir/sync.out" "$dir/sync.err")"
        if grep -q '"waiting":0' "$dir/sync.out"; then return; fi
        sleep 0.2
    done
    fail "sync does not come to an end: $(gbill stripe status)"
}

# What Stripe has to tell is told in another order, some of it twice, and gbill bills as of that day.
seed=0 as_of=
told() {
    seed=$((seed + 1))
    admin release "{\"seed\": $seed, \"duplicate\": 0.4}" >/dev/null
    admin settle >"$dir/settled"
    same "$(field failed <"$dir/settled")" 0 "deliveries that failed: $(cat "$dir/settled")"
    fold
}
fold() {
    gbill rollup >/dev/null
    if [ -n "$as_of" ]; then gbill invoice run --now "$as_of" >/dev/null 2>"$dir/run.err" || fail "invoice run: $(cat "$dir/run.err")"; fi
}
is() { # NUMBER STATUS PAID
    same "$(gbill invoice list --json | sed -n "s/.*\"status\":\"\([a-z_]*\)\",\"number\":$1,.*\"paid\":\"\([0-9.]*\)\".*/\1 \2/p")" "$2 $3" "invoice $1"
}
number() { # ORGANIZATION [N-TH]: of its N-th final invoice
    gbill invoice list --org "$1" --json | sed -n 's/.*"number":\([0-9][0-9]*\),.*/\1/p' | sed -n "${2:-1}p"
}
invoice() { object "invoice/$(number "$@")"; }

# ---- subscribe, use, upgrade ----
for org in acme bolt cora dune echo; do plan "$org-1" $org pro "$month-01" ',"taxPercent":"20"'; done | say
{
    plan acme-2 acme team "$month-15"
    calls acme-3 acme 7000000
    calls bolt-3 bolt 4000000
    calls fern-3 fern 10
} | say
fold
admin faults '{"rules": [{"match": "POST", "kind": "status", "status": 429, "retry_after": 1, "times": 2},
    {"match": "POST /v1/customers", "kind": "cut_after", "skip": 1}, {"match": "POST /v1/prices", "kind": "cut"},
    {"match": "POST /v1/subscriptions", "kind": "status_after", "status": 500, "skip": 1}]}' >/dev/null
sync
for org in acme bolt; do admin card "{\"customer\": \"$(object customer/$org)\"}" >/dev/null; done
admin card "{\"customer\": \"$(object customer/cora)\", \"works\": false}" >/dev/null
told

# ---- invoice, charge, decline ----
as_of=$(in_month 1)-02
fold
admin faults '{"rules": [{"match": "POST /v1/invoices$", "kind": "status_after", "status": 500, "times": 2},
    {"match": "POST /v1/invoiceitems", "kind": "cut_after", "skip": 2}, {"match": "finalize", "kind": "cut_half"},
    {"match": "pay", "kind": "cut_after"}, {"match": "send", "kind": "status", "status": 503, "should_retry": "true"},
    {"match": "invoiceitems", "kind": "status", "status": 409, "skip": 5}]}' >/dev/null
sync --now "$as_of"
told
# Pro, 40.00 of credits and what is left of the month from the 15th at 99 in place of 29, and 20 % of it.
due=([28]=124.80 [29]=126.25 [30]=127.60 [31]=128.87)
paid=${due[$(date -u -d "$month-01 +1 month -1 day" +%d)]}
is "$(number acme)" paid "$paid"
is "$(number bolt)" paid 124.80
is "$(number cora)" payment_failed 0.00
is "$(number dune)" final 0.00
agree

# ---- paid by the page that Stripe sent, and by a bank, which is nobody's but ours to tell ----
admin card "{\"customer\": \"$(object customer/dune)\"}" >/dev/null
admin do "{\"request\": \"POST /v1/invoices/$(invoice dune)/pay\"}" >/dev/null
printf '{"kind":"payment","id":"cora-p","organizationId":"cora","invoice":"%s","status":"paid","amount":3480}\n' "$(number cora)" | say
fold
sync --now "$as_of"
told
is "$(number dune)" paid 34.80
is "$(number cora)" paid 34.80
agree

# ---- dispute, win, refund ----
dispute=$(admin dispute "{\"invoice\": \"$(invoice acme)\"}" | field id)
told
is "$(number acme)" disputed 0.00
agree
admin dispute_becomes "{\"dispute\": \"$dispute\", \"status\": \"won\"}" >/dev/null
admin refund "{\"invoice\": \"$(invoice acme)\", \"amount\": 1000}" >/dev/null
refund=$(admin refund "{\"invoice\": \"$(invoice acme)\", \"amount\": 500}" | field id)
admin refund_fails "{\"refund\": \"$refund\"}" >/dev/null
lost=$(admin dispute "{\"invoice\": \"$(invoice dune)\", \"amount\": 480}" | field id)
admin dispute_becomes "{\"dispute\": \"$lost\", \"status\": \"lost\"}" >/dev/null
told
is "$(number acme)" partially_paid "$((${paid%.*} - 10)).${paid#*.}"
is "$(number dune)" partially_paid 30.00
agree

# ---- cancel in the portal; check out ----
url=$(gbill stripe portal --org echo --return-url https://app.example/billing)
[[ $url == https://billing.stripe.com/p/session/* ]] || fail "portal: $url"
admin do "{\"request\": \"POST /v1/subscriptions/$(object subscription/echo)\", \"params\": {\"cancel_at_period_end\": \"true\"}}" >/dev/null
url=$(gbill stripe checkout --org fern --plan team --success-url https://app.example/ok --cancel-url https://app.example/no)
[[ $url == https://checkout.stripe.com/c/pay/cs_test_* ]] || fail "checkout: $url"
admin checkout "{\"session\": \"${url##*/}\"}" >/dev/null
told
sync --now "$as_of"
object subscription/fern >/dev/null

# ---- a correction becomes a credit note, and is used up by the next invoice ----
printf '{"kind":"void","id":"bolt-v","organizationId":"bolt","voids":"bolt-3","at":"%s"}\n' "$now" | say
plan bolt-c bolt '' "$now" ',"action":"cancelled"' | sed 's/"plan":"",//' | say
as_of=$(in_month 2)-02
fold
sync --now "$as_of"
object "credit/$(number bolt 2)" >/dev/null
told
agree
plan bolt-4 bolt team "$(in_month 2)-01" | say
as_of=$(in_month 3)-02
fold
sync --now "$as_of"
told
agree
totals() { gbill invoice list --org "$1" --json | sed -n 's/.*"number":[0-9].*"total":"\([-0-9.]*\)".*/\1/p' | grep -vx 0.00 | tr '\n' ' '; }
# Stripe's period, and so the customer's, ended within our second month.
same "$(totals echo)" "34.80 34.80 " "echo cancelled, and is billed no more"
[[ $(totals fern) == *" 99.00 " ]] || fail "fern does not have the plan: $(totals fern)"
is "$(number fern 3)" paid 99.00 # by the card of the checkout

gbill stripe reconcile >"$dir/reconciled" 2>"$dir/reconcile.err" || fail "reconcile: $? $(cat "$dir/reconciled" "$dir/reconcile.err")"

# ---- what came twice or unknown has changed nothing; what was asked is as npm's stripe asks ----
told
sync --now "$as_of"
agree
if grep -rqs "sk_test_double\|whsec_of" "$dir"/*.log "$dir"/*.err "$dir"/*.out "$GBILL_DATA"; then fail "a secret is written down"; fi
node tests/support/stripe_judge.mjs "$npm_dir/node_modules" "$dir/judge" "$dir/stripe.log" >"$dir/judged" || fail "the judge"
echo "$(cat "$dir/agreed"), to the cent; $(cat "$dir/judged")"
