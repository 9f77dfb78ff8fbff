#!/usr/bin/env bash
# DEBUG_BILLING=true: every billing decision says in one line what it was made of, from the agent and the
# API to the invoice and its message; the same run without it says nothing; no secret in any of it.
. "$(dirname "$0")/lib.sh"
begin debug

whsec=whsec_$(printf 'the-secret-of-a-webhook' | base64)
tests/support/hook_server.py "$dir/hook.jsonl" "$dir/hook.port" 2>/dev/null &
children="$children $!"
wait_for "$dir/hook.port"
cat >"$dir/notify.json" <<JSON
{"format": "gbill-notify/1", "backoffMs": 1, "allowLoopbackHttp": true,
 "smtp": {"host": "localhost", "port": 9, "security": "starttls", "user": "gbill", "password": "hunter2-mail",
          "from": "billing@example.com"},
 "everyone": [{"name": "hook", "webhook": "http://127.0.0.1:$(cat "$dir/hook.port")/ok/SECRETPATH", "secrets": ["$whsec"]}]}
JSON
chmod 600 "$dir/notify.json"
export GBILL_NOTIFY=$dir/notify.json DATABASE_URL=postgres://gbill:hunter2-pg@127.0.0.1:9/gbill

mid=$(date -u -d '20 days ago' +%FT%TZ)
early=$(date -u -d '30 days ago' +%FT%TZ)
end=$(date -u -d "$(date -u +%Y-%m-01) 1 month" +%Y-%m)-02
event() { printf '{"kind":"%s","id":"%s","organizationId":"acme",%s}\n' "$@"; }
usage() { # ID MODEL FIELDS: now
    event usage "$1" "\"userId\":\"u\",\"type\":\"chat\",\"provider\":\"openai\",\"model\":\"$2\",\"projectId\":\"p1\",\"inputTokens\":400000,\"outputTokens\":7$3"
}
# all_of_it LOG: events in, each job, a question to the agent, requests; what they say in LOG
all_of_it() {
    agent_start
    {
        event subscription s1 "\"plan\":\"pro\",\"createdAt\":\"$early\""
        event subscription s2 "\"action\":\"changed\",\"plan\":\"team\",\"createdAt\":\"$mid\""
        event budget b1 '"monthlyBudget":100,"autoLimits":{"enabled":true,"pauseAt":90}'
        usage u1 gpt-4o ',"serviceTier":"priority"'
        usage u2 nobody-knows ''
        usage u3 gpt-4o-mini ',"latencyMs":3'
        # Ten quiet days, and three hours of seven times as much.
        for hour in $(seq 240); do
            tokens=$((800000 + hour % 3 * 40000))
            case $hour in 5 | 6 | 7) tokens=6000000 ;; esac
            event usage "q$hour" "\"userId\":\"u\",\"type\":\"chat\",\"provider\":\"openai\",\"model\":\"gpt-4o\",\"inputTokens\":$tokens,\"outputTokens\":7,\"createdAt\":\"$(date -u -d "$hour hours ago" +%FT%TZ)\""
        done
    } | gbill send --format jsonl - >/dev/null
    {
        gbill rollup && gbill budgets && gbill limits
        gbill invoice run --now "$end" && gbill chargeback run && gbill spikes run
        gbill notify && gbill publish
    } >/dev/null 2>"$1" || true
    # The agent sees new tables within a second.
    for _ in $(seq 100); do
        gbill check --org acme --action ai --tokens 5 >"$dir/check" 2>&1 || true
        grep -q unknown "$dir/check" || break
        sleep 0.05
    done
    key=$(gbill key create --org acme --scopes read,write,admin 2>>"$1")
    gbill api --listen "$dir/api.sock" 2>>"$1" &
    local api=$!
    children="$children $api"
    wait_for "$dir/api.sock"
    ask() { curl -s -o /dev/null --unix-socket "$dir/api.sock" "$@"; }
    local auth="Authorization: Bearer $key"
    ask -H "$auth" "http://x/api/billing/limits?organizationId=acme"
    ask -H "$auth" "http://x/api/billing/limits?organizationId=rival"
    ask -H "$auth" -X PUT -H 'Content-Type: application/json' -d '{"monthlyBudget":5}' http://x/api/billing/budget
    ask -u "any:$key" http://x/
    ask -H "Authorization: Bearer gbk_0123456789abcdef_wrong" "http://x/api/billing/limits?organizationId=acme"
    kill "$api"
    wait "$api" || fail "the server ended with $?"
    agent_stop
    cat "$dir/agent.log" >>"$1"
}

(export DEBUG_BILLING=true GBILL_DATA=$dir/loud && all_of_it "$dir/loud.log") || exit 1
says() { # WORD PATTERN...: one line of that event has them all
    local lines word=$1
    lines=$(grep "event=$word " "$dir/loud.log") || fail "no decision \"$word\": $(sed -n 's/.*event=\([a-z_]*\) .*/\1/p' "$dir/loud.log" | sort | uniq -c)"
    shift
    for pattern in "$@"; do
        lines=$(grep -E -- "$pattern" <<<"$lines") || fail "no \"$word\" has $pattern: $(grep "event=$word " "$dir/loud.log" | head -3)"
    done
}
says priced 'org="acme"' 'provider="openai" model="gpt-4o" tier="priority"' 'price_from_ms=-?[0-9]' 'input=400000 ' 'output=7 ' 'cost_pico=[1-9]'
says unpriced 'model="nobody-knows"' 'reason="the price book has no such provider and model"'
says limit 'org="acme" dimension=ai_credits plan="team"' 'used=[1-9]' 'limit=[1-9]' 'state=paused allowed=no' 'position=[1-9]'
says budget 'org="acme"' 'budget_minor=100 ' 'spend=[1-9]' 'pause_at=90 was_paused=0 paused=1' 'alerts=[1-9]'
says budget_alert 'kind=paused' 'percent=90 '
says fee 'plan="pro"' 'prorated=yes' 'units=[1-9][0-9]* of=[1-9]'
says fee 'plan="team"' 'amount_minor=[1-9]'
says usage_charge 'org="acme"' 'used=[0-9]' 'charged=[0-9]'
says invoice_line 'org="acme"' 'kind=plan_fee' 'amount_minor=[1-9]' 'total_minor=[1-9]'
says chargeback 'value="p1"' 'total_minor=[1-9]' 'amount_minor=[1-9]'
says spike 'org="acme" scope=organization' 'threshold_percent=200' 'calls=[1-9]' 'usual_calls=[0-9]' 'news='
says notify 'destination="hook"' 'attempt=1 delivered=1'
says live 'org="acme"' 'amount=5 ' 'used=[1-9]' 'state=(paused|refused)'
says limit_told 'plan="team"' 'state=paused allowed=no'
says answered 'path=/api/billing/limits method=GET key=[0-9a-f]{16} org="acme" scope=1' 'status=403 code=organization'
says answered 'method=PUT' 'scope=4' 'events=2 ' 'status=200 code=-'
says answered 'key=- org=""' 'status=401 code=unauthorized'

(export GBILL_DATA=$dir/quiet && : >"$dir/agent.log" && all_of_it "$dir/quiet.log") || exit 1
! grep -qE 'level=debug' "$dir/quiet.log" || fail "decisions are said without being asked for: $(grep level=debug "$dir/quiet.log" | head -3)"

secrets=$(sed -n 's/.*"sha256": *"\([0-9a-f]*\)".*/\1/p' "$dir/loud/api-keys.json" "$dir/quiet/api-keys.json" | tr '\n' '|')
! grep -nE "gbk_[0-9a-f]{16}_|[0-9a-f]{64}|${secrets}hunter2|whsec_|SECRETPATH|the-secret-of|wrong" "$dir/loud.log" "$dir/quiet.log" ||
    fail "a secret shows"
echo "$(grep -c level=debug "$dir/loud.log") decisions of $(sed -n 's/.*level=debug event=\([a-z_]*\) .*/\1/p' "$dir/loud.log" | sort -u | wc -l) kinds, none without DEBUG_BILLING, no secret"
