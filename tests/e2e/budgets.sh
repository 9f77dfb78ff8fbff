#!/usr/bin/env bash
# Budgets from the event to the receiver: thresholds, pause and recovery; mail, Slack and signed
# webhooks at real local servers; receivers that fail in every way; kill -9 between sending and
# noting; no secret anywhere it does not belong.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${GBILL_BIN:?set GBILL_BIN to the build directory}
dir=$(mktemp -d /tmp/gbill-budgets-XXXXXX)
pids=
cleanup() {
    for pid in $pids; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }
wait_for() { for _ in $(seq 400); do [ -e "$1" ] && return; sleep 0.05; done; fail "$1 does not come"; }
export GBILL_DATA=$dir/data
unset GBILL_NOTIFY || true

# ---- the receivers ----
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null
mkdir "$dir/mail" "$dir/mail-tls"
start() { # NAME COMMAND...: a server that writes its port to $dir/NAME.port
    "${@:2}" 2>"$dir/$1.log" &
    pids="$pids $!"
}
start http tests/support/hook_server.py "$dir/http.jsonl" "$dir/http.port"
start https tests/support/hook_server.py "$dir/https.jsonl" "$dir/https.port" "$dir/cert.pem" "$dir/key.pem"
start smtp tests/support/mail_server.py "$dir/mail" "$dir/smtp.port" "$dir/cert.pem" "$dir/key.pem"
start smtps tests/support/mail_server.py "$dir/mail-tls" "$dir/smtps.port" "$dir/cert.pem" "$dir/key.pem" tls
"$bin/gbill-agent" 2>"$dir/agent.log" &
pids="$pids $!"
for name in http https smtp smtps; do wait_for "$dir/$name.port"; done
wait_for "$GBILL_DATA/agent.sock"
http=$(cat "$dir/http.port") https=$(cat "$dir/https.port") smtp=$(cat "$dir/smtp.port") smtps=$(cat "$dir/smtps.port")
old_secret=whsec_$(printf 'the-old-secret-of-a-webhook' | base64) new_secret=whsec_$(printf 'the-new-secret-of-a-webhook' | base64)

# settings FILE SECURITY PORT EXTRA EVERYONE ORGANIZATIONS
settings() {
    cat >"$1" <<JSON
{"format": "gbill-notify/1", "timeoutSeconds": 1, "backoffMs": 1, $4
 "smtp": {"host": "localhost", "port": $3, "security": "$2", "user": "gbill", "password": "hunter2-mail",
          "from": "billing@example.com", "fromName": "Größte Förderung"},
 "everyone": [$5], "organizations": {$6}}
JSON
    chmod 600 "$1"
}
webhook() { printf '{"name": "%s", "webhook": "%s", "secrets": ["%s", "%s"]}' "$1" "$2" "$new_secret" "$old_secret"; }
settings "$dir/notify.json" starttls "$smtp" "\"caFile\": \"$dir/cert.pem\", \"allowLoopbackHttp\": true," \
    "{\"name\": \"mail\", \"email\": \"ops@example.com\"}, {\"name\": \"slack\", \"slack\": \"http://127.0.0.1:$http/ok/slack-SECRETPATH\"}, $(webhook hook "http://127.0.0.1:$http/ok/hook")" ''

# ---- events ----
n=0
budget() { # ORG FIELDS
    n=$((n + 1))
    printf '{"id":"b%d","organizationId":"%s",%s}\n' "$n" "$1" "$2" >"$dir/b.jsonl"
    "$bin/gbill" send --kind budget --format jsonl "$dir/b.jsonl" >/dev/null
}
spend() { # ORG DOLLARS: gpt-4o input at 2.50 a million
    n=$((n + 1))
    printf '{"id":"u%d","organizationId":"%s","userId":"u","type":"chat","provider":"openai","model":"gpt-4o","inputTokens":%d,"outputTokens":0}\n' \
        "$n" "$1" $(($2 * 400000)) | "$bin/gbill" send --format jsonl - >/dev/null
}
budgets() { # WANT: the counts of new thresholds, recoveries, pauses and resumes
    "$bin/gbill" rollup >/dev/null
    "$bin/gbill" budgets --notify "$dir/notify.json" --json >"$dir/out" 2>"$dir/err" || fail "budgets: $(cat "$dir/err")"
    got=$(python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))[0]
print(r["thresholds"], r["recovered"], r["nowPaused"], r["resumed"])' "$dir/out")
    [ "$got" = "$1" ] || fail "budgets says $got, expected $1: $(cat "$dir/out")"
}
notify() { "$bin/gbill" notify --notify "$dir/notify.json" --json "$@" >"$dir/out" 2>>"$dir/notify.err" || fail "notify: $(tail -3 "$dir/notify.err")"; }
count() { # KEY: of the last notify
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[0][sys.argv[2]])' "$dir/out" "$1"
}

org='Größe & Söhne <b>'
budget "$org" '"monthlyBudget":10000,"autoLimits":{"enabled":true,"pauseAt":100}'
budgets "0 0 0 0"
spend "$org" 60
budgets "1 0 0 0"
budgets "0 0 0 0"
notify
[ "$(count sent) $(count failed) $(count waiting)" = "3 0 0" ] || fail "first notify: $(cat "$dir/out" "$dir/notify.err")"
notify
[ "$(count sent)" = 0 ] || fail "sent again without need"

# A jump over two thresholds: both, rising, and the pause.
spend "$org" 50
budgets "2 0 1 0"
"$bin/gbill" budgets show --org "$org" >"$dir/show"
grep -q 'paused by its budget: 110.00 of 100.00 USD spent' "$dir/show" && grep -qF '[##########]! 110 %' "$dir/show" ||
    fail "show: $(cat "$dir/show")"
notify
[ "$(count sent)" = 9 ] || fail "the jump: $(cat "$dir/out")"
# The budget is raised: recoveries, highest first, and no pause any more.
budget "$org" '"monthlyBudget":20000,"autoLimits":{"enabled":true,"pauseAt":100},"emailAlerts":false'
budgets "0 2 0 1"
notify
[ "$(count sent)" = 6 ] || fail "mails were to be off: $(cat "$dir/out")"
budgets "0 0 0 0"

# ---- what the receivers got ----
cat >"$dir/judge.py" <<'PY'
import base64, email, email.policy, glob, hashlib, hmac, json, sys, time
folder, org, old, new = sys.argv[1:5]
lines = [json.loads(l) for l in open(folder + "/http.jsonl")]
hooks = [l for l in lines if l["path"] == "/ok/hook"]
slacks = [l for l in lines if l["path"].startswith("/ok/slack")]
kinds = []
for l in hooks:
    h, body = l["headers"], l["body"]
    signed = f'{h["webhook-id"]}.{h["webhook-timestamp"]}.{body}'.encode()
    want = [base64.b64encode(hmac.new(base64.b64decode(s[6:]), signed, hashlib.sha256).digest()).decode() for s in (new, old)]
    assert h["webhook-signature"] == " ".join("v1," + w for w in want), h
    assert abs(int(h["webhook-timestamp"]) - time.time()) < 60
    assert h["idempotency-key"] == h["webhook-id"] and h["content-type"] == "application/json"
    data = json.loads(body)["data"]
    assert data["organizationId"] == org and data["currency"] == "USD" and data["budgetMinor"] in (10000, 20000)
    kinds.append((data["kind"], data["percent"]))
assert kinds == [("threshold", 50), ("threshold", 80), ("threshold", 100), ("paused", 100),
                 ("recovered", 100), ("recovered", 80), ("resumed", 100)], kinds
assert json.loads(hooks[0]["body"])["data"]["spend"] == "60" and json.loads(hooks[0]["body"])["data"]["spendMinor"] == 6000
assert len({l["headers"]["webhook-id"] for l in hooks}) == 7
assert len(slacks) == 7 and json.loads(slacks[0]["body"])["text"].startswith("Größe &amp; Söhne &lt;b&gt;: 50 % of the budget"), slacks[0]
mails = [email.message_from_bytes(open(f, "rb").read(), policy=email.policy.default) for f in sorted(glob.glob(folder + "/mail/*.eml"))]
assert len(mails) == 4, len(mails)
for m in mails:
    assert not m.defects, m.defects
    assert m["X-Tls"] == "True" and m["X-Login"] == "True" and m["X-From"] == "billing@example.com" and m["X-To"] == "ops@example.com"
    assert m["From"].addresses[0].display_name == "Größte Förderung", m["From"]
    assert m["Subject"].startswith(org + ": "), m["Subject"]
    assert abs(m["Date"].datetime.timestamp() - time.time()) < 120
    assert m.get_content_type() == "multipart/alternative" and m["Auto-Submitted"] == "auto-generated"
    plain, html = m.iter_parts()
    assert org in plain.get_content() and "&lt;b&gt;" in html.get_content() and "<b>" not in html.get_content()
assert len({m["Message-ID"] for m in mails}) == 4
PY
python3 "$dir/judge.py" "$dir" "$org" "$old_secret" "$new_secret" || fail "what the receivers got"

# ---- receivers that fail ----
base="http://127.0.0.1:$http"
settings "$dir/notify.json" tls "$smtps" "\"allowLoopbackHttp\": true, \"caFile\": \"$dir/cert.pem\"," "" "\"faults\": [
    $(webhook flaky "$base/flaky-2/x"), $(webhook e500 "$base/500/x"), $(webhook e429 "$base/429/x"),
    $(webhook gone "$base/410/x"), $(webhook redirect "$base/redirect/x"), $(webhook slow "$base/slow/x"),
    $(webhook reset "$base/reset/x"), $(webhook big "$base/big/x"), $(webhook nobody "http://127.0.0.1:1/x"),
    $(webhook private "https://10.1.2.3/SECRETPATH"), $(webhook metadata "https://169.254.169.254/SECRETPATH"),
    $(webhook inside "https://127.0.0.1:$https/ok/inside"), {\"name\": \"mail\", \"email\": \"tls@example.com\"}]"
touch "$dir/mail-tls/refuse"
budget faults '"monthlyBudget":1000,"alertThresholds":{"warning":80}'
spend faults 9
budgets "1 0 0 0"
notify
[ "$(count sent) $(count failed) $(count dead)" = "0 13 1" ] || fail "faults: $(cat "$dir/out" "$dir/notify.err")"
for words in '"flaky", attempt 1: HTTP 500' '"e500", attempt 1: HTTP 500' '"e429", attempt 1: HTTP 429' \
    '"gone", attempt 1: HTTP 410; given up' '"redirect", attempt 1: HTTP 302 (redirects are not followed)' \
    '"slow", attempt 1: 127.0.0.1: .*timed out' '"reset", attempt 1: 127.0.0.1: ' \
    '"big", attempt 1: 127.0.0.1: the answer is longer than' '"nobody", attempt 1: 127.0.0.1: ' \
    '"private", attempt 1: 10.1.2.3: its address is not of the public internet' \
    '"metadata", attempt 1: 169.254.169.254: its address is not' \
    '"inside", attempt 1: 127.0.0.1: its address is not' '"mail", attempt 1: localhost: '; do
    grep -q -- "$words" "$dir/notify.err" || fail "no \"$words\" in: $(cat "$dir/notify.err")"
done
[ ! -e "$dir/https.jsonl" ] && ! grep -q redirected "$dir/http.jsonl" || fail "went where it must not"
rm "$dir/mail-tls/refuse"
notify --now "$(date -u -d '+2 sec' +%Y-%m-%dT%H:%M:%SZ)"
[ "$(count sent)" = 1 ] && [ -e "$dir/mail-tls/1.eml" ] || fail "the mail's second try: $(cat "$dir/out")"
notify --now "$(date -u -d '+1 min' +%Y-%m-%dT%H:%M:%SZ)"
[ "$(count sent)" = 1 ] || fail "flaky is not sent at the third try: $(cat "$dir/out")"
[ "$(grep -c '"/429/x"' "$dir/http.jsonl")" = 1 ] || fail "Retry-After was not honoured"
notify --now "$(date -u -d '+3 hours' +%Y-%m-%dT%H:%M:%SZ)"
[ "$(grep -c '"/429/x"' "$dir/http.jsonl")" = 2 ] || fail "429 is not tried again in time"
notify --now "$(date -u -d '+4 days' +%Y-%m-%dT%H:%M:%SZ)"
[ "$(count waiting)" = 0 ] || fail "not given up after four days: $(cat "$dir/out")"
python3 - "$dir/http.jsonl" <<'PY' || fail "the key changed over the retries"
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1])]
for path in ("/flaky-2/x", "/500/x"):
    tries = [l for l in lines if l["path"] == path]
    assert len(tries) >= 3 and len({l["headers"]["webhook-id"] for l in tries}) == 1 and len({l["body"] for l in tries}) == 1
PY

# Given up is not lost: mended settings, and a retry.  With private addresses allowed TLS is checked.
[ "$("$bin/gbill" outbox list --state dead --json | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))')" = 11 ] ||
    fail "dead letters: $("$bin/gbill" outbox list)"
inside=$("$bin/gbill" outbox list --json | python3 -c 'import json, sys
print(next(r["id"] for r in json.load(sys.stdin) if r["destination"] == "inside"))')
settings "$dir/notify.json" tls "$smtps" '"allowPrivateAddresses": true,' "" "\"faults\": [$(webhook inside "https://127.0.0.1:$https/ok/inside")]"
"$bin/gbill" outbox retry "$inside" >/dev/null
notify
grep -q '"inside".*127.0.0.1: SSL certificate problem' "$dir/notify.err" || fail "a certificate nobody trusts: $(tail -1 "$dir/notify.err")"
settings "$dir/notify.json" tls "$smtps" "\"caFile\": \"$dir/cert.pem\", \"allowPrivateAddresses\": true," "" "\"faults\": [$(webhook inside "https://127.0.0.1:$https/ok/inside")]"
"$bin/gbill" outbox retry "$inside" >/dev/null
notify
[ "$(count sent)" = 1 ] && "$bin/gbill" outbox show "$inside" | grep -q 'sent .*HTTP 200' || fail "retry: $(cat "$dir/out")"
status=0
"$bin/gbill" outbox retry "$inside" 2>"$dir/err" || status=$?
[ "$status" = 7 ] || fail "a delivered one is sent again: $(cat "$dir/err")"

# ---- kill -9 after the receiver has it and before that is noted ----
settings "$dir/notify.json" tls "$smtps" '"allowLoopbackHttp": true,' "" "\"killed\": [$(webhook hold "$base/hold/x")]"
budget killed '"monthlyBudget":1000,"alertThresholds":[10]'
spend killed 5
budgets "1 0 0 0"
"$bin/gbill" notify --notify "$dir/notify.json" >/dev/null 2>&1 &
victim=$!
for _ in $(seq 200); do grep -q '"/hold/x"' "$dir/http.jsonl" && break; sleep 0.01; done
kill -9 "$victim"
wait "$victim" 2>/dev/null && fail "the kill came too late"
settings "$dir/notify.json" tls "$smtps" '"allowLoopbackHttp": true,' "" "\"killed\": [$(webhook hold "$base/ok/held")]"
notify
notify
python3 - "$dir/http.jsonl" <<'PY' || fail "after the kill"
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1]) if "/hold/x" in l or "/ok/held" in l]
assert [l["path"] for l in lines] == ["/hold/x", "/ok/held"], lines
assert len({(l["headers"]["webhook-id"], l["body"]) for l in lines}) == 1
PY

# ---- kill -9 of budgets: each alert with its messages, each once ----
hits=0
for i in $(seq 12); do
    budget "k$i" '"monthlyBudget":1000,"alertThresholds":[10,20,30,40,50]'
    spend "k$i" 6
done
settings "$dir/notify.json" tls "$smtps" '"allowLoopbackHttp": true,' "$(webhook all "$base/ok/all")" ''
"$bin/gbill" rollup >/dev/null
for i in $(seq 25); do
    "$bin/gbill" budgets --notify "$dir/notify.json" >/dev/null 2>&1 &
    victim=$!
    sleep "0.0$(printf %02d $((RANDOM % 12)))"
    kill -9 "$victim" 2>/dev/null || true
    wait "$victim" 2>/dev/null || hits=$((hits + 1))
done
"$bin/gbill" budgets --notify "$dir/notify.json" >/dev/null
notify
python3 - "$dir/http.jsonl" <<'PY' || fail "alerts after the kills"
import collections, json, sys
got = collections.defaultdict(list)
for l in open(sys.argv[1]):
    l = json.loads(l)
    if l["path"] == "/ok/all":
        d = json.loads(l["body"])["data"]
        got[d["organizationId"]].append(d["percent"])
assert len(got) == 12 and all(p == [10, 20, 30, 40, 50] for p in got.values()), got
PY

# ---- secrets ----
chmod 644 "$dir/notify.json"
status=0
"$bin/gbill" notify --notify "$dir/notify.json" 2>"$dir/err" || status=$?
[ "$status" = 3 ] && grep -q 'chmod o=' "$dir/err" || fail "settings that everyone may read: $(cat "$dir/err")"
status=0
"$bin/gbill" notify 2>"$dir/err" || status=$?
[ "$status" = 3 ] && grep -q 'GBILL_NOTIFY is not set' "$dir/err" || fail "$(cat "$dir/err")"
"$bin/gbill" outbox list >"$dir/list"
! grep -qaE "hunter2|whsec_|SECRETPATH|the-(old|new)-secret" "$dir/notify.err" "$dir/list" "$dir/show" "$GBILL_DATA/tables.mdb" ||
    fail "a secret shows"
echo "thresholds, pause, recovery; 13 ways to fail; $hits of 25 kills came in time; no secret shows"
