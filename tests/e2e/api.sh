#!/usr/bin/env bash
# gbill api: every route against the OpenAPI document it serves, no way from one organization to
# another, keys revoked and expired while it runs, TCP, unix socket and TLS, an orderly end.
. "$(dirname "$0")/lib.sh"
begin api

agent_start
event() { # ID ORGANIZATION TOKENS
    printf '{"id":"%s","organizationId":"%s","userId":"u","type":"chat","provider":"openai","model":"gpt-4o-mini","inputTokens":%s,"outputTokens":7}\n' "$@"
}
for org in acme rival; do
    event "$org-1" $org 93
    printf '{"kind":"subscription","id":"%s-2","organizationId":"%s","plan":"team"}\n' $org $org
done | gbill send --format jsonl - >/dev/null

# ---- keys ----
expect 2 'needs --org' gbill key create
expect 2 'must be read, write, admin' gbill key create --org acme --scopes read,fly
expect 2 'must be read, write, admin' gbill key create --org acme --scopes read,read
expect 6 'id of no key' gbill key revoke 0123456789abcdef
key=$(gbill key create --org acme 2>"$dir/err")
other=$(gbill key create --org rival --scopes read,write,admin 2>/dev/null)
write=$(gbill key create --org acme --scopes write,admin --days 0 2>/dev/null)
[[ $key =~ ^gbk_[0-9a-f]{16}_[0-9a-f]{64}$ ]] || fail "a key looks so: $key"
same "$(stat -c %a "$GBILL_DATA/api-keys.json")" 600 "the mode of the keys"
if grep -q "${key##*_}" "$GBILL_DATA/api-keys.json"; then fail "the secret is stored"; fi
if gbill key list --json | grep -q "${key##*_}"; then fail "the secret is listed"; fi
same "$(gbill key list --org acme --json | grep -c valid)" 2 "acme's valid keys"

# ---- what is done to keys is in the log first ----
acts() { gbill rollup >/dev/null && gbill audit --acts --json "$@" | sed -n 's/.*"organizationId":"\([^"]*\)","actor":"\([^"]*\)",.*"action":"\([^"]*\)","target":"\([^"]*\)","status":"\([^"]*\)","reason":"\([^"]*\)".*/\1|\2|\3|\4|\5|\6/p'; }
who="user $(id -un)"
agent_stop
cp "$GBILL_DATA/api-keys.json" "$dir/keys.before"
expect 13 'key.create must be in the log first.*nothing was changed.*--unaudited' gbill key create --org acme
expect 13 'key.revoke must be in the log first' gbill key revoke "${other:4:16}"
cmp "$GBILL_DATA/api-keys.json" "$dir/keys.before" || fail "keys changed, and nobody was told"
expect 0 'key.create is not in the log of acts' gbill key create --org silent --unaudited
silent=$(cat "$dir/out")
expect 0 'key.revoke is not in the log of acts' gbill key revoke --unaudited "${silent:4:16}"
agent_start
unset SUDO_USER
spare=$(gbill key create --org acme --scopes admin 2>/dev/null)
SUDO_USER=alice gbill key revoke "${spare:4:16}"
gbill key revoke "${spare:4:16}" || fail "revoked again"
mv "$GBILL_DATA/tables.mdb" "$dir/none.mdb" 2>/dev/null || true
same "$(acts --org acme)" "acme|$who|key.create|${key:4:16}|done|read
acme|$who|key.create|${write:4:16}|done|write,admin
acme|$who|key.create|${spare:4:16}|done|admin
acme|$who (sudo alice)|key.revoke|${spare:4:16}|done|admin" "acts of acme"
same "$(acts | grep -c 'silent')" 0 "acts of who was not told"
rm -f "$GBILL_DATA"/tables.mdb*

# ---- the server ----
serve() { # NAME OPTION...: started; $api, and $base for TCP
    local name=$1
    shift
    gbill api "$@" 2>"$dir/$name.log" &
    api=$!
    children="$children $api"
    for _ in $(seq 400); do grep -q event=listening "$dir/$name.log" && break; sleep 0.05; done
    grep -q event=listening "$dir/$name.log" || fail "$name: $(cat "$dir/$name.log")"
    base=http://$(sed -n 's/.*event=listening on=\([^ ]*\).*/\1/p' "$dir/$name.log")
}
status_of() { curl -s -o "$dir/body" -w '%{http_code}' "$@"; }
serve tcp --listen 127.0.0.1:0 --debug
same "$(status_of "$base/health")" 503 "health before the first fold"
gbill rollup >/dev/null
gbill limits >/dev/null
gbill budgets >/dev/null
gbill forecast run >/dev/null
gbill invoice run --now "$(date -u -d "$(date -u +%Y-%m-01) 1 month" +%Y-%m)-02" >/dev/null 2>&1
number_of() { gbill invoice list --org "$1" --json | sed -n 's/.*"number":\([1-9][0-9]*\).*/\1/p' | head -1; }
same "$(status_of "$base/health")" 200 "health behind it"
tests/support/api_check.py "$base" "$key" acme "$other" rival "$write" "$(number_of acme)" "$(number_of rival)" >"$dir/checked" || fail "api_check: $(cat "$dir/checked")"
# A browser that signs in with the key sees the page, and asks for nothing else.
python3 - "${base/:\/\//://anybody:$key@}/" <<'PY' || fail "the page in a browser"
import sys
sys.path.insert(0, "tests/support")
from browser import Browser
with Browser() as browser:
    page = browser.open(sys.argv[1], 390)
    assert page.value("document.querySelector('h1').innerText") == "acme", page.value("document.body.innerText")
    assert len(page.value("[...document.styleSheets].filter(s => s.cssRules.length > 9)")) == 1, "no style"
    others = [url for url in page.requests if not url.endswith("/")]
    assert not others and not page.complaints, (others, page.complaints)
PY
grep -q '"used": 100,' "$dir/checked" || fail "100 credits are used: $(cat "$dir/checked")"
grep -q '"calls": 1,' "$dir/checked" || fail "one call: $(cat "$dir/checked")"
same "$(status_of -X POST "$base/api/billing/limits")" 405 "another method"
same "$(status_of "$base/api/billing/other")" 404 "another path"
same "$(status_of "$base/health" -H "X: $(head -c 40000 /dev/zero | tr '\0' x)")" 431 "a large head"
for asked in "$base/health" "$base/nothing" "$base/api/billing/limits"; do
    same "$(curl -s -o /dev/null -o /dev/null -w '%{num_connects} ' "$asked" "$asked")" "1 0 " "a connection serves both: $asked"
done
curl -s "$base/metrics" >"$dir/metrics"
python3 tests/e2e/exposition.py <"$dir/metrics" || fail "metrics: $(cat "$dir/metrics")"
limits() { status_of -H "Authorization: Bearer $1" "$base/api/billing/limits?organizationId=$2"; }

# ---- usage in: acknowledged, once, and nothing while there is no agent ----
post() { # ARGUMENT...: the status of a POST of acme's
    status_of -H "Authorization: Bearer $write" -H 'Content-Type: application/json' "$base/api/billing/usage" "$@"
}
one='{"userId":"u","type":"chat","provider":"openai","model":"gpt-4o-mini","inputTokens":5,"outputTokens":7}'
calls() { gbill rollup >/dev/null && gbill report usage --org acme --by org --json | sed -n 's/.*"calls":\([0-9]*\).*/\1/p'; }
same "$(calls)" 1004 "calls of the check, each once"
budget() { curl -s -H "Authorization: Bearer $1" "$base/api/billing/budget?organizationId=$2"; }
for field in '"monthlyBudget":5000' '"threshold":300' '"forecast":100' '"emailAlerts":false' '"pauseAt":100'; do
    budget "$key" acme | grep -q "$field" || fail "the budget has no $field: $(budget "$key" acme)"
done
# Once each: by whom, and that it came twice under one Idempotency-Key does not show.
same "$(acts --org acme | grep -c "^acme|key ${write:4:16}|budget.put|api-[0-9a-f]*|done|")" \
    $(($(gbill log cat --org acme | grep -c '"kind":"budget"') - 1)) "budgets that acme's key put"
set=$(acts --org acme | grep budget.put | tail -1 | cut -d'|' -f4)
gbill log cat --org acme | grep '"kind":"budget"' | grep -q "\"id\":\"$set\"" || fail "the act names no budget: $set"
budget "$other" rival | grep -q '"monthlyBudget":null' || fail "rival has a budget: $(budget "$other" rival)"
same "$(post -H 'Idempotency-Key: k1' -d "$one")" 200 "an event"
agent_stop
same "$(post -H 'Idempotency-Key: k2' -d "$one" -D "$dir/head")" 503 "an event without an agent"
grep -qi '^retry-after: 1' "$dir/head" || fail "no Retry-After: $(cat "$dir/head")"
agent_start
for _ in $(seq 100); do [ "$(post -H 'Idempotency-Key: k2' -d "$one")" = 200 ] && break; sleep 0.05; done
same "$(post -H 'Idempotency-Key: k2' -d "$one")" 200 "the agent is back"
kill "$api"
wait "$api" || fail "the server ended with $?"
serve tcp2 --listen 127.0.0.1:0 --debug
for key_of in k1 k2; do same "$(post -H "Idempotency-Key: $key_of" -d "$one")" 200 "$key_of after a restart"; done
for key_of in k1 check; do
    same "$(post -H "Idempotency-Key: $key_of" -d "${one/5/6}")" 422 "$key_of for another body, after a restart"
done
grep -q '"code":"idempotency_key"' "$dir/body" || fail "why: $(cat "$dir/body")"
same "$(calls)" 1006 "calls, each once"
same "$(gbill audit --conflicts --json | grep -c seq || true)" 0 "conflicts"
# What is known of keys is lost: another body has the same ids, so it is found out and does not count.
kill "$api"
wait "$api" || fail "the server ended with $?"
rm "$GBILL_DATA/api-repeats"
serve tcp_lost --listen 127.0.0.1:0
same "$(post -H "Idempotency-Key: k1" -d "${one/5/6}")" 200 "another body, when nothing is known"
same "$(calls)" 1006 "calls, when nothing is known"
gbill audit --conflicts --json | grep -q '"kind":"usage","id":"api-' || fail "no conflict: $(gbill audit --conflicts)"
if grep -qE "${write##*_}" "$dir/tcp2.log"; then fail "a secret is in the log"; fi
kill "$api"
wait "$api" || fail "the server ended with $?"

# ---- too often, and too slow ----
serve rate --listen 127.0.0.1:0 --key-rate 1
# Many in one go: a process for each would take long enough for the bucket to fill.
many() { # URL ARGUMENT...: asked a hundred times, the heads in $dir/head
    curl -s -D "$dir/head" -o "$dir/body" "${@:2}" "$1n=[1-100]"
}
many "$base/api/billing/limits?organizationId=acme&" -H "Authorization: Bearer $write"
grep -q '^HTTP/1.1 403' "$dir/head" || fail "the key is not for GET: $(grep ^HTTP "$dir/head" | sort | uniq -c)"
grep -q '^HTTP/1.1 429' "$dir/head" || fail "a key asks as often as it likes"
grep -qi '^retry-after: 1' "$dir/head" || fail "no Retry-After: $(cat "$dir/head")"
grep -qi '^ratelimit-policy: "key";q=10;w=10' "$dir/head" || fail "no RateLimit-Policy: $(cat "$dir/head")"
grep -qi '^ratelimit: "key";r=0;t=1' "$dir/head" || fail "no RateLimit: $(cat "$dir/head")"
same "$(limits "$other" rival)" 200 "another key has a bucket of its own"
curl -s "$base/metrics" | grep -q '^gbill_api_throttled_total [1-9]' || fail "throttled requests are not counted"
kill "$api"
wait "$api" || fail "the server ended with $?"
serve address --listen 127.0.0.1:0 --address-rate 1
many "$base/health?"
grep -q '^HTTP/1.1 429' "$dir/head" || fail "an address asks as often as it likes"
kill "$api"
wait "$api" || fail "the server ended with $?"
serve slow --listen 127.0.0.1:0 --timeout 2
tests/support/api_slow.py "$base" "$write" || fail "slow connections"
curl -s "$base/metrics" | grep -q '^gbill_api_slow_connections_total [1-9]' || fail "slow connections are not counted"
kill "$api"
wait "$api" || fail "the server ended with $?"
serve tcp3 --listen 127.0.0.1:0

# ---- what changes while it runs ----
gbill key revoke "${key:4:16}"
sleep 1
same "$(limits "$key" acme)" 401 "a revoked key"
same "$(limits "$other" rival)" 200 "another key"
same "$(gbill key list --json | grep -c revoked\")" 3 "revoked keys"
mv "$GBILL_DATA/tables.mdb" "$dir/old.mdb"
rm -f "$GBILL_DATA/tables.mdb-lock"
gbill rollup >/dev/null
gbill limits >/dev/null
sleep 1
same "$(limits "$other" rival)" 200 "tables folded anew"
echo '{' >"$GBILL_DATA/api-keys.json"
sleep 1
[ "$(limits "$other" rival)" != 200 ] || fail "with keys that cannot be read somebody is let in"
if grep -qE "${key##*_}|${other##*_}" "$dir/tcp.log" "$dir/tcp2.log" "$dir/tcp3.log"; then fail "a secret is in the log"; fi
kill "$api"
wait "$api" || fail "the server ended with $?"
grep -q event=stopped "$dir/tcp3.log" || fail "no orderly end: $(cat "$dir/tcp3.log")"
rm "$GBILL_DATA/api-keys.json"
other=$(gbill key create --org rival 2>/dev/null)

# ---- unix socket, and one that a killed server left ----
serve unix --listen "$dir/api.sock"
same "$(status_of --unix-socket "$dir/api.sock" http://x/health)" 200 "over a unix socket"
expect 8 'another process answers' gbill api --listen "$dir/api.sock"
kill -9 "$api"
wait "$api" 2>/dev/null || true
serve unix2 --listen "$dir/api.sock"
same "$(status_of --unix-socket "$dir/api.sock" http://x/health)" 200 "in place of a killed one"
kill "$api"
wait "$api" || fail "the server ended with $?"
[ ! -e "$dir/api.sock" ] || fail "the socket is left behind"

# ---- TLS ----
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=IP:127.0.0.1 -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
expect 2 'go together' gbill api --tls-cert "$dir/cert.pem"
expect 3 'certificate and key' gbill api --listen 127.0.0.1:0 --tls-cert "$dir/key.pem" --tls-key "$dir/cert.pem"
expect 3 'HOST:PORT' gbill api --listen nonsense
serve tls --listen 127.0.0.1:0 --tls-cert "$dir/cert.pem" --tls-key "$dir/key.pem"
base=${base/http:/https:}
same "$(curl -s --cacert "$dir/cert.pem" -o "$dir/body" -w '%{http_code}' -H "Authorization: Bearer $other" \
    "$base/api/billing/limits?organizationId=rival")" 200 "over TLS"
kill "$api"
wait "$api" || fail "the server ended with $?"
echo "$(sed 's/.*"asked": \([0-9]*\).*/\1/' "$dir/checked") questions answered as the document says"
