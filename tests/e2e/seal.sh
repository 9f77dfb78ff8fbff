#!/usr/bin/env bash
# gbill log seal: killed before each of its calls that change the disk, and at random moments, the log
# reads the same; sealed, a rebuild gives the same tables, the roots stay, and the agent goes on.
. "$(dirname "$0")/lib.sh"
begin seal
die_at=$bin/tests/libdie_at.so
[ -e "$die_at" ] || fail "$die_at is not built"

# The script names files by today's date and must not run over midnight.
[ "$(date -u +%H%M)" -lt 2358 ] || sleep 121

traces="tests/data/azure-llm/AzureLLMInferenceTrace_conv.csv tests/data/azure-llm/AzureLLMInferenceTrace_code.csv"
agent_start
head -500 tests/data/azure-llm/AzureLLMInferenceTrace_conv.csv >"$dir/some.csv"
gbill send --format azure-llm "$dir/some.csv" >/dev/null 2>&1
printf '{"organizationId":"no-id"}\n' | gbill send --format jsonl - >/dev/null 2>&1
becomes 3
gbill send --format azure-llm "$dir/some.csv" >/dev/null 2>&1
agent_stop
cp -r "$GBILL_DATA" "$dir/small"
agent_start
gbill send --format azure-llm $traces >/dev/null 2>&1
becomes 2
printf '{"kind":"subscription","id":"s","organizationId":"org-01","plan":"pro"}\n' | gbill send --format jsonl - >/dev/null
agent_stop

state() { gbill log verify --days --json --data "$1" && gbill log cat --data "$1" | sha256sum; }
gbill rollup >/dev/null 2>&1
digest=$(gbill rollup --digest | sed -n 's/.*digest //p')
gbill audit --roots >/dev/null
cp "$GBILL_DATA/roots.jsonl" "$dir/roots"
state "$GBILL_DATA" >"$dir/before"

# ---- before every call that changes the disk ----
small=$(date -u -d "3 days ago" +%F)
state "$dir/small" >"$dir/small-before"
at=0
while :; do
    at=$((at + 1))
    rm -rf "$dir/copy"
    cp -r "$dir/small" "$dir/copy"
    status=0
    DIE_AT=$at LD_PRELOAD=$die_at gbill log seal --day "$small" --data "$dir/copy" >/dev/null 2>"$dir/err" || status=$?
    state "$dir/copy" >"$dir/after" 2>"$dir/err" || fail "killed before call $at: $(cat "$dir/err")"
    cmp -s "$dir/small-before" "$dir/after" || fail "killed before call $at, the log reads otherwise"
    [ "$status" = 0 ] && break
    [ "$status" = 137 ] || fail "exit status $status: $(cat "$dir/err")"
    gbill log seal --day "$small" --data "$dir/copy" >/dev/null || fail "sealing after a kill before call $at"
    state "$dir/copy" | cmp -s "$dir/small-before" - || fail "sealed after a kill before call $at, the log reads otherwise"
    [ "$(cd "$dir/copy/log" && echo "$small"*)" = "$small.sealed.mdb" ] || fail "left behind: $(ls "$dir/copy/log")"
done
[ "$at" -gt 10 ] || fail "only $at calls change the disk"

# ---- at random moments, every closed day ----
RANDOM=${SEED:-20261124}
kills=${KILLS:-8} hit=0
for ((k = 0; k < kills; k++)); do
    rm -rf "$dir/copy"
    cp -r "$GBILL_DATA" "$dir/copy"
    gbill log seal --data "$dir/copy" >/dev/null 2>"$dir/err" &
    job=$!
    sleep "0.$(printf %03d $((RANDOM % 300)))"
    kill -9 "$job" 2>/dev/null || true
    status=0
    wait "$job" 2>/dev/null || status=$?
    [ "$status" = 0 ] || [ "$status" = 137 ] || fail "seal: $(cat "$dir/err")"
    [ "$status" = 0 ] || hit=$((hit + 1))
    state "$dir/copy" | cmp -s "$dir/before" - || fail "killed, the log reads otherwise"
done

# ---- with the agent on ----
agent_start
gbill log seal >/dev/null || fail "seal"
[ "$(ls "$GBILL_DATA"/log/*.mdb | grep -c 'sealed')" = 2 ] || fail "not sealed: $(ls "$GBILL_DATA/log")"
state "$GBILL_DATA" | cmp -s "$dir/before" - || fail "sealed, the log reads otherwise"
gbill audit --roots >/dev/null && cmp -s "$dir/roots" "$GBILL_DATA/roots.jsonl" || fail "the roots changed"
gbill rollup --check >/dev/null 2>&1 || fail "the tables are not what the sealed log folds to"
[ "$(gbill rollup --rebuild --digest 2>/dev/null | sed -n 's/.*digest //p')" = "$digest" ] || fail "a rebuild from the sealed log gives other tables"
gbill audit --log >/dev/null || fail "audit --log"
bytes=$(gbill log stat --json | python3 -c '
import json, sys
print([r["bytesPerEvent"] for r in json.load(sys.stdin) if r["events"] > 20000][0])')
awk -v b="$bytes" 'BEGIN {exit !(b <= 26)}' || fail "$bytes bytes an event"
status=0
gbill log seal --day "$(date -u +%F)" 2>"$dir/err" || status=$?
[ "$status" = 7 ] || fail "the open day: exit status $status"
printf '{"kind":"subscription","id":"t","organizationId":"org-01","plan":"pro"}\n' | gbill send --format jsonl - >/dev/null || fail "send"
gbill log verify >/dev/null || fail "verify after more"
agent_stop
echo "$((at - 1)) named and $hit random kills of a seal: the log reads the same; $bytes bytes per event of the demo"
