#!/usr/bin/env bash
# What Stripe sends comes in, verified, and no secret gets out.  npm's stripe is the judge of signatures,
# by the command and over HTTP.
#   STRIPE_COUNT (changed at random; ten times as many over HTTP), SEED
. "$(dirname "$0")/lib.sh"
begin stripe_webhook
count=${STRIPE_COUNT:-100} seed=${SEED:-1}
npm_dir=$bin/npm-stripe
if [ ! -d "$npm_dir/node_modules/stripe" ]; then
    mkdir -p "$npm_dir"
    npm install --loglevel error --no-audit --no-fund --fetch-retries 1 --prefix "$npm_dir" stripe@23.1.0 >/dev/null ||
        fail "npm cannot install stripe into $npm_dir; this test needs npm's registry"
fi
export OLD=whsec_onlyOfThisTestOld0 NEW=whsec_onlyOfThisTestNew0
judge() { node tests/support/stripe_signatures.mjs "$npm_dir/node_modules" "$@"; }
payload() { # NAME ID [SED]: an event of tests/data/stripe, of now
    sed "s/\"created\": 1796000000/\"created\": $(date +%s)/;s/\"id\": \"evt_[A-Za-z0-9_]*\"/\"id\": \"$2\"/;${3-}" "tests/data/stripe/$1.json"
}
sign() { STRIPE_WEBHOOK_SECRET=${SECRET:-$OLD} gbill stripe sign "$@"; } # < BODY

# ---- by hand ----
payload invoice.paid evt_hand >"$dir/hand"
expect 3 'STRIPE_WEBHOOK_SECRET is not set' gbill stripe sign
expect 3 'STRIPE_WEBHOOK_SECRET: secret 2 is none: whsec_ and 16' env STRIPE_WEBHOOK_SECRET="$OLD sk_live_wrongOne" gbill stripe sign
if grep -qE 'onlyOf|wrongOne' "$dir/err"; then fail "a secret is said: $(cat "$dir/err")"; fi
expect 2 '--header is missing' env STRIPE_WEBHOOK_SECRET="$OLD" gbill stripe verify
expect 9 'no v1 is this body' env STRIPE_WEBHOOK_SECRET="$OLD" gbill stripe verify --json --header "$(sign <"$dir/hand")" <"tests/data/stripe/invoice.paid.json"
same "$(cat "$dir/out")" '{"signed":false,"verdict":"mismatch"}' "the verdict"
expect 9 'more than 300 s ago' env STRIPE_WEBHOOK_SECRET="$OLD" gbill stripe verify --header "$(sign --at 2026-01-01 <"$dir/hand")" <"$dir/hand"
head -c 262145 /dev/zero >"$dir/large"
expect 5 'stdin has over 262144 bytes' env STRIPE_WEBHOOK_SECRET="$OLD" gbill stripe sign <"$dir/large"
# What we sign is good there, under each secret; and what is not, is not.
both=$(SECRET="$NEW,$OLD" sign <"$dir/hand")
for secret in "$OLD" "$NEW"; do same "$(judge "$dir/hand" verify "$both" "$secret")" evt_hand "ours is good there"; done
! judge "$dir/hand" verify "$(sign <"$dir/hand")" "$NEW" >/dev/null 2>&1 || fail "their judge takes anything"
judge "$dir/hand" command "$count" "$seed" >"$dir/judged" || fail "gbill stripe verify judges otherwise"

# ---- the server ----
serve() { # NAME [SECRETS]: $api, $hook
    STRIPE_WEBHOOK_SECRET=${2-} gbill api --listen 127.0.0.1:0 --debug 2>"$dir/$1.log" &
    api=$!
    children="$children $api"
    for _ in $(seq 400); do grep -q event=listening "$dir/$1.log" && break; sleep 0.05; done
    grep -q event=listening "$dir/$1.log" || fail "$1: $(cat "$dir/$1.log")"
    base=http://$(sed -n 's/.*event=listening on=\([^ ]*\).*/\1/p' "$dir/$1.log")
    hook=$base/api/billing/stripe/webhook
}
stop() {
    kill "$api"
    wait "$api" || fail "the server ended with $?"
}
post() { # FILE [HEADER [ARGUMENT...]]: "STATUS CODE"
    local status
    status=$(curl -s -o "$dir/body" -w '%{http_code}' -H "Stripe-Signature: ${2-$(sign <"$1")}" --data-binary "@$1" "${@:3}" "$hook")
    echo "$status $(sed -n 's/.*"code":"\([a-z_]*\)".*/\1/p' "$dir/body")"
}
kept() { gbill log cat | grep '"kind":"stripe"' | grep -c "\"id\":\"$1\"" || true; } # ID: in the log

expect 3 'STRIPE_WEBHOOK_SECRET: secret 1 is none' env STRIPE_WEBHOOK_SECRET=whsec_short gbill api --listen 127.0.0.1:0
agent_start
serve none
same "$(post "$dir/hand")" "503 not_configured" "a webhook that is not set up"
stop

serve both "$NEW, $OLD"
# The secret is not where others look, from the start on.
same "$(tr '\0' '\n' <"/proc/$api/environ" | grep -c onlyOf || true)" 2 "OLD and NEW, which are the test's own"
if tr '\0' '\n' <"/proc/$api/environ" | grep -qE '^STRIPE_WEBHOOK_SECRET=.'; then fail "the secret is in environ"; fi
if tr '\0' '\n' <"/proc/$api/cmdline" | grep -q whsec; then fail "the secret is in cmdline"; fi
grep -qE '^Max core file size +0 +0 ' "/proc/$api/limits" || fail "a core could be written: $(grep core "/proc/$api/limits")"
same "$(stat -c %U "/proc/$api/environ")" root "who may look in"

judge "$dir/hand" http $((count * 10)) "$seed" "$hook" >>"$dir/judged" || fail "the webhook judges otherwise"

# Acknowledged, then answered.
for name in tests/data/stripe/*.json; do
    name=$(basename "$name" .json)
    payload "$name" "evt_$name" >"$dir/$name"
    same "$(post "$dir/$name")" "200 " "$name"
    same "$(kept "evt_$name")" 1 "$name in the log when it is answered"
done
gbill log cat | grep '"id":"evt_invoice.paid"' >"$dir/told"
for said in '"organizationId":"acme"' '"type":"invoice.paid"' '"gbill_invoice":"42"' '"amount_paid":10950' '"customer":"cus_RsAcme"' "\"createdAt\":$(sed -n 's/.*"created": \([0-9]*\),$/\1/p' "$dir/invoice.paid" | head -1)000"; do
    grep -q "$said" "$dir/told" || fail "no $said: $(cat "$dir/told")"
done
gbill log cat | grep '"id":"evt_charge.dispute.created"' | grep -q '"organizationId":"-"' || fail "a dispute is nobody's by itself"
if gbill log cat | grep -E 'Jenny|Secret Street|@acme|last4'; then fail "a person is in the log"; fi
same "$(gbill quarantine list --json | grep -c stripe || true)" 0 "in the quarantine"
payload customer.updated evt_typed >"$dir/typed"
same "$(post "$dir/typed" "$(sign <"$dir/typed")" -H 'Content-Type: text/plain')" "200 " "of any content type"

# Sent again: just this delivery never, the event once.
payload invoice_payment.paid evt_once >"$dir/once"
first=$(SECRET="$OLD $NEW" sign <"$dir/once")
second_alone=$(echo "$first" | sed 's/,v1=[0-9a-f]*//')
agent_stop
same "$(post "$dir/once" "$first")" "503 agent" "without an agent"
same "$(kept evt_once)" 0 "nothing is stored"
agent_start
for _ in $(seq 100); do [ "$(post "$dir/once" "$first")" = "200 " ] && break; sleep 0.05; done
same "$(post "$dir/once" "$first")" "400 replay" "the same delivery"
same "$(post "$dir/once" "$second_alone")" "400 replay" "the same by its other signature"
kill -KILL "$api"
wait "$api" 2>/dev/null || true
serve again "$OLD"
same "$(post "$dir/once" "$first")" "400 replay" "the same delivery, after a restart"
same "$(post "$dir/once" "$(sign --at "$(date -u -d '-9 seconds' +%FT%TZ)" <"$dir/once")")" "200 " "a new attempt of it"
same "$(post "$dir/once" "$(SECRET=$NEW sign <"$dir/once")")" "400 signature" "a secret that was taken back"
same "$(kept evt_once)" 2 "attempts that the log has"
gbill rollup >/dev/null 2>&1
same "$(gbill audit --json | sed -n 's/.*"duplicate":\([1-9][0-9]*\).*"quarantined":0,"conflicting":0.*/\1/p')" 1 "events that came twice, and count once"

# Signed, but nothing that can be kept: said, not stored.
refused() { # CODE BODY: 400 CODE, and a line in the log
    printf '%s' "$2" >"$dir/odd"
    same "$(post "$dir/odd")" "400 $1" "$2"
}
refused event 'no JSON'
refused event '{"id":"evt_thin","object":"v2.core.event","type":"v1.billing.meter.no_meter_found"}'
refused event "{\"object\":\"event\",\"type\":\"a\",\"created\":$(date +%s),\"data\":{\"object\":{}}}"
refused event '{"id":"evt_past","object":"event","type":"a","created":1700000000,"data":{"object":{}}}'
same "$(grep -c 'level=warn event=stripe_refused' "$dir/again.log")" 4 "lines about what was refused"
grep -q 'a thin event' "$dir/again.log" || fail "no word about thin events"
same "$(post "$dir/large" x)" "413 body" "a body too large"
same "$(curl -s -o /dev/null -w '%{http_code}' "$hook")" 405 "GET"
same "$(curl -s -o /dev/null -w '%{http_code}' --data-binary @"$dir/once" "$hook")" 400 "without a header"

# What it counts; what it decided; and what nobody is told.
curl -s "$base/metrics" >"$dir/metrics"
python3 tests/e2e/exposition.py <"$dir/metrics" || fail "metrics: $(cat "$dir/metrics")"
for figure in 'accepted_total{type="known"} 1' 'refused_total{reason="replay"} 1' 'refused_total{reason="event"} 4' 'refused_total{reason="signature"} 2'; do
    grep -qF "gbill_api_stripe_$figure" "$dir/metrics" || fail "no $figure: $(grep stripe "$dir/metrics")"
done
grep -q 'event=stripe_told id="evt_once" type="invoice_payment.paid" organization="-"' "$dir/again.log" || fail "no decision"
grep -q 'event=stripe_signature verdict=mismatch' "$dir/again.log" || fail "no verdict in the log"
stop
if grep -rlE 'onlyOfThisTest' "$dir"; then fail "a secret is in these files"; fi
echo "$(tr '\n' ';' <"$dir/judged") all deliveries stored before they were answered"
