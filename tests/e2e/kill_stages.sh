#!/usr/bin/env bash
# gbill forecast run and gbill spikes run, killed before each of their calls that change the disk: the
# next run gives the rows of an undisturbed one, and each spike is told once. Both then arrive in Postgres.
. "$(dirname "$0")/lib.sh"
begin kill-stages
die_at=$bin/tests/libdie_at.so
[ -e "$die_at" ] || fail "$die_at is not built"

# Three hundred organizations, so that either stage has more than one transaction; in one of them a
# loop of four hours on a model that has no price.
agent_start
python3 - >"$dir/calls.jsonl" <<'PY'
import json, time
hour = int(time.time()) // 3600 * 3600
def call(id, org, at, user, model, tokens):
    print(json.dumps({"id": id, "organizationId": org, "userId": user, "projectId": "p", "type": "chat", "provider": "openai",
                      "model": model, "inputTokens": tokens, "outputTokens": 0, "createdAt": at * 1000}))
for o in range(300):
    for day in range(1, 5):
        call(f"o{o}-{day}", f"org-{o:03}", hour - 86400 * day, "u", "gpt-4o", 1000 * (o + day))
for h in range(1, 241):
    call(f"s{h}", "spiky", hour - 3600 * h, "steady", "gpt-4o", 80000 + h % 3 * 4000)
for h in range(5, 9):
    call(f"l{h}", "spiky", hour - 3600 * h + 60, "looper", "own-model", 6000000)
PY
gbill send --format jsonl "$dir/calls.jsonl" >/dev/null
agent_stop
gbill rollup >/dev/null 2>&1
now=$(date -u +%Y-%m-%dT%H:%M:%SZ) # one time for all runs

python3 tests/support/hook_server.py "$dir/hooks.jsonl" "$dir/hooks.port" &
children="$children $!"
wait_for "$dir/hooks.port"
cat >"$dir/notify.json" <<JSON
{"format": "gbill-notify/1", "allowLoopbackHttp": true, "everyone": [{"name": "ops",
 "webhook": "http://127.0.0.1:$(cat "$dir/hooks.port")/ok/ops", "secrets": ["whsec_$(printf 'a-secret-of-a-webhook' | base64)"]}]}
JSON
chmod 600 "$dir/notify.json"

forecast() { gbill forecast run --now "$now" --data "$1"; }
spikes() { gbill spikes run --now "$now" --notify "$dir/notify.json" --data "$1"; }
rows() {
    gbill forecast list --json --data "$1"
    gbill spikes list --json --data "$1"
    gbill outbox list --json --data "$1"
}

# survives STAGE: its points, each on a copy of the tables as they were.
survives() {
    local at=0 status
    cp -r "$GBILL_DATA" "$dir/before"
    "$1" "$GBILL_DATA" >"$dir/out" || fail "$1"
    rows "$GBILL_DATA" >"$dir/want"
    while :; do
        at=$((at + 1)) status=0
        rm -rf "$dir/copy"
        cp -r "$dir/before" "$dir/copy"
        (export DIE_AT=$at LD_PRELOAD=$die_at && "$1" "$dir/copy") >/dev/null 2>"$dir/err" || status=$?
        [ "$status" = 0 ] || [ "$status" = 137 ] || fail "$1: exit status $status: $(cat "$dir/err")"
        "$1" "$dir/copy" >/dev/null || fail "$1 after a kill before call $at"
        rows "$dir/copy" | cmp -s - "$dir/want" || fail "$1, killed before call $at and run again: other rows"
        [ "$status" = 137 ] || break
    done
    [ "$at" -gt 4 ] || fail "only $at calls of $1 change the disk"
    rm -rf "$dir/before"
    echo "$1: the same rows after a kill before each of $((at - 1)) calls"
}

survives forecast
survives spikes
python3 - "$dir/want" <<'PY' || fail "rows: $(tail -c 2000 "$dir/want")"
import json, sys
forecasts, spikes, outbox = (json.loads(t) for t in open(sys.argv[1]).read().replace("]\n[", "]\0[").split("\0"))
assert len(forecasts) == 301, len(forecasts)
whole = [s for s in spikes if s["scope"] == "organization"]
assert len(whole) == 1 and whole[0]["organization"] == "spiky" and whole[0]["measures"] == "tokens", spikes
assert len(outbox) == 1 and outbox[0]["kind"] == "spike" and outbox[0]["state"] == "waiting", outbox
PY

# ---- told, and told once ----
gbill notify --notify "$dir/notify.json" >/dev/null
spikes "$GBILL_DATA" >/dev/null
gbill notify --notify "$dir/notify.json" >/dev/null
same "$(wc -l <"$dir/hooks.jsonl")" 1 "messages"
id=$(gbill spikes list --scope organization --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["id"])')
python3 - "$dir/hooks.jsonl" "$id" <<'PY' || fail "message: $(cat "$dir/hooks.jsonl")"
import json, sys
m = json.loads(json.loads(open(sys.argv[1]).readline())["body"])
assert m["type"] == "usage.spike" and m["data"]["spikeId"] == sys.argv[2], m
assert m["data"]["measures"] == ["tokens"] and m["data"]["actual"]["tokens"] > 24000000, m
assert "user looper (" in m["data"]["text"] and "model openai own-model (" in m["data"]["text"], m
PY

# ---- in Postgres ----
pg_start "$dir/pg"
DATABASE_URL=$(pg_create granted)
export DATABASE_URL
gbill migrate >/dev/null
gbill publish >/dev/null
same "$(pg_sql "$DATABASE_URL" "SELECT count(*) FROM billing.forecasts")" 301 "forecasts"
same "$(pg_sql "$DATABASE_URL" "SELECT organization_id, measures, driver_user, driver_model, driver_user_excess = 0, tokens > 24000000
    FROM billing.usage_spikes WHERE id = '$id'")" "spiky|{tokens}|looper|own-model|t|t" "the spike"
