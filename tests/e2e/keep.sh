#!/usr/bin/env bash
# The log's days are kept: a backup while the agent takes events, again and again; a restore that folds
# to the same tables; prune of what nothing needs, and what it refuses; redrive of what passes now.
. "$(dirname "$0")/lib.sh"
begin keep

event() {
    printf '{"id":"%s","organizationId":"org-%s","userId":"u","type":"chat","provider":"openai","model":"%s","inputTokens":1,"outputTokens":1%s}\n' \
        "$1" "${1%%-*}" "${2:-gpt-4o-mini}" "${3:-}"
}
send() { gbill send --format jsonl - >/dev/null 2>&1; }
digest() { gbill rollup "$@" --digest 2>/dev/null | sed -n 's/.*digest //p'; }
count() { gbill log verify --json --data "$1" | sed -n 's/.*"stream":"events","events":\([0-9]*\).*/\1/p'; }
copied() { sed -n 's/.*"daysCopied":\([0-9]*\),"bytesCopied":[0-9]*,"daysKept":\([0-9]*\).*/\1 \2/p'; }

# The script names files by today's date and must not run over midnight.
[ "$(date -u +%H%M)" -lt 2358 ] || sleep 121

# An event for the quarantine that passes in a few seconds: five minutes ahead are allowed.
ahead=$(date -u -d "+303 seconds" +%FT%T.000Z)
agent_start
{ event late-1 gpt-4o-mini ",\"createdAt\":\"$ahead\""; event a-1; printf '{"organizationId":"org-a"}\n'; event old-1 gpt-4o-mini ',"createdAt":"2020-01-01T00:00:00Z"'; } | send
becomes 100
for i in $(seq 50); do event "b-$i"; done | send
becomes 90
for i in $(seq 50); do event "c-$i"; done | send
becomes 3

# ---- backup while the agent takes events ----
gbill send --format azure-llm --rate 20000 --chunk 100 tests/data/azure-llm/AzureLLMInferenceTrace_conv.csv >/dev/null 2>&1 &
sender=$! children=$!
sleep 0.2
for n in 1 2 3; do
    gbill log backup --to "$dir/backup" --json >"$dir/out" || fail "backup $n"
    gbill log verify --data "$dir/backup" >/dev/null || fail "backup $n does not verify"
    [ "$n" = 1 ] || [ "$(copied <"$dir/out" | cut -d' ' -f2)" -ge 3 ] || fail "backup $n: $(cat "$dir/out")"
    sleep 0.1
done
wait "$sender" || fail "the sender did not finish"
children=
# What cannot be made again lies beside the log, and goes with it.
gbill key create --org org-a --scopes read >/dev/null || fail "key create"
printf '{"format":"gbill-ratios/1","ratios":[\n]}\n' >"$GBILL_DATA/ratios.json"
gbill log seal >/dev/null || fail "seal"
gbill log backup --to "$dir/backup" --json | copied >"$dir/out"
grep -qx '4 0\|3 1' "$dir/out" || fail "after sealing: $(cat "$dir/out")"
[ "$(gbill log backup --to "$dir/backup" --json | copied)" = "0 4" ] || fail "nothing new, and yet copied"
[ "$(ls "$dir/backup/log" | grep -c 'mdb$')" = 4 ] || fail "left in the backup: $(ls "$dir/backup/log")"
[ "$(count "$dir/backup")" = "$(count "$GBILL_DATA")" ] || fail "the backup has $(count "$dir/backup") events"
gbill rollup >/dev/null 2>&1
gbill audit --roots >/dev/null
whole=$(digest)
expect 2 'to DIR is needed' gbill log backup

# ---- restore ----
expect 8 'another gbill-agent runs here' gbill log restore --from "$dir/backup"
cp -r "$GBILL_DATA" "$dir/full"
expect 7 'restore into an empty data directory' gbill log restore --from "$dir/backup" --data "$dir/full"
rm "$dir"/full/tables.mdb*
expect 7 'holds 4 days: restore into an empty data directory' gbill log restore --from "$dir/backup" --data "$dir/full"
expect 6 'is no backup' gbill log restore --from "$dir" --data "$dir/new"
gbill log restore --from "$dir/backup" --data "$dir/new" >/dev/null || fail "restore"
for file in ratios.json api-keys.json; do
    cmp "$GBILL_DATA/$file" "$dir/new/$file" || fail "$file was not restored"
done
[ "$(stat -c %a "$dir/backup/api-keys.json" "$dir/new/api-keys.json" | sort -u)" = 600 ] || fail "others can read the keys"
gbill rollup --data "$dir/new" >/dev/null 2>&1
[ "$(digest --data "$dir/new")" = "$whole" ] || fail "the restored log folds to other tables"
# A damaged backup is not restored.
cp -r "$dir/backup" "$dir/bad"
printf '\377' | dd of="$(ls "$dir/bad"/log/*.mdb | head -1)" bs=1 seek=20000 conv=notrunc 2>/dev/null
gbill log verify --data "$dir/bad" >/dev/null 2>&1 && fail "the damaged byte means nothing: choose another"
expect 12 'faults|differs|page' gbill log restore --from "$dir/bad" --data "$dir/none"
[ ! -e "$dir/none/log" ] || fail "a damaged backup became a log"
# A log is not mixed with another.
agent_stop
GBILL_DATA=$dir/other agent_start
event x-1 | gbill send --data "$dir/other" --format jsonl - >/dev/null
agent_stop
agent_start
expect 7 'is of another log' gbill log backup --data "$dir/other" --to "$dir/backup"

# ---- prune ----
before=$(date -u -d "10 days ago" +%F)
cp -r "$GBILL_DATA" "$dir/unpriced"
expect 7 'younger than 35 days|not invoiced for good' gbill log prune --before "$(date -u +%F)" --dry-run
gbill log prune --before "$before" --dry-run >"$dir/out" 2>/dev/null || fail "prune --dry-run"
[ "$(grep -c "^$(date -u +%Y)\|^$(date -u -d '100 days ago' +%Y)" "$dir/out")" = 2 ] || fail "$(cat "$dir/out")"
[ "$(ls "$GBILL_DATA"/log/*.mdb | wc -l)" = 4 ] || fail "--dry-run removed something"
agent_stop
expect 13 'log.prune must be in the log first.*nothing was changed' gbill log prune --before "$before"
[ "$(ls "$GBILL_DATA"/log/*.mdb | wc -l)" = 4 ] || fail "removed, and nobody was told"
agent_start
gbill log prune --before "$before" >/dev/null 2>"$dir/err" || fail "prune: $(cat "$dir/err")"
grep -q 'proves itself from event 52 on' "$dir/err" || fail "$(cat "$dir/err")"
[ "$(ls "$GBILL_DATA"/log/*.mdb | wc -l)" = 2 ] || fail "not removed: $(ls "$GBILL_DATA/log")"
gbill log verify >/dev/null || fail "what is kept does not verify"
gbill audit --roots >/dev/null || fail "the roots after prune"
gbill audit --log >/dev/null || fail "audit --log after prune"
gbill log stat >/dev/null && gbill log cat --count 1 | grep -q '"seq":52,' || fail "the oldest kept is not the first read"
# Who removed which days stays.
gbill rollup >/dev/null 2>&1
first=$(sed -n 's/^\(20[0-9-]*\) .*/\1/p' "$dir/out" | head -1)
gbill audit --acts --org - --csv | grep -q ",-,user [^,]*,$(id -u),log.prune,,done,days $first to " ||
    fail "the act of pruning: $(gbill audit --acts)"
whole=$(digest)
expect 6 'lies before the oldest day kept, which begins at 52' gbill rollup --rebuild
[ "$(digest)" = "$whole" ] || fail "a rebuild that cannot be has changed the tables"
gbill log backup --to "$dir/backup" >/dev/null || fail "backup after prune"
[ "$(ls "$dir/backup/log" | grep -c 'mdb$')" = 4 ] || fail "the backup lost what was pruned here"
# What is not folded stays.
agent_stop
GBILL_DATA=$dir/unpriced
rm "$GBILL_DATA"/tables.mdb*
expect 6 'nothing has been folded yet' gbill log prune --before "$before"
GBILL_DATA=$dir/data

# ---- redrive: from the backup's quarantine, into the agent ----
GBILL_DATA=$dir/new
agent_start
left=$(($(date -u -d "$ahead" +%s) - 300 - $(date -u +%s)))
[ "$left" -lt 0 ] || sleep $((left + 1))
gbill quarantine list --json | grep -q '"redriven":""' || fail "something is listed as redriven"
gbill quarantine redrive --dry-run | tail -1 | grep -q '^1 would be sent, 0 sent before, 1 still break the contract, 1 too old' ||
    fail "redrive --dry-run: $(gbill quarantine redrive --dry-run)"
gbill quarantine redrive --org org-a | tail -1 | grep -q '^0 sent' || fail "redrive --org"
gbill quarantine redrive | tail -1 | grep -q '^1 sent, ' || fail "redrive"
gbill quarantine redrive | tail -1 | grep -q '^0 sent, 1 sent before' || fail "redrive again"
gbill quarantine redrive --again >/dev/null || fail "redrive --again"
gbill rollup >/dev/null 2>&1
same "$(gbill audit --acts --csv | grep -c ',quarantine.redrive,,done,"number -1, org any, day any, reason any')" 3 "acts of redriving all"
[ "$(gbill quarantine list --json | grep -c '"redriven":"2')" = 1 ] || fail "$(gbill quarantine list)"
gbill log cat --org org-late >"$dir/out"
[ "$(grep -c "\"time\":\"$ahead\".*\"id\":\"late-1\"" "$dir/out")" = 2 ] || fail "$(cat "$dir/out")"
gbill rollup >/dev/null 2>&1
[ "$(gbill report usage --by org --csv | tr -d '\r' | awk -F, 'NR == 1 {for (i = 1; i <= NF; i++) at[$i] = i} $1 == "org-late" {print $at["calls"]}')" = 1 ] ||
    fail "counted otherwise than once: $(gbill report usage --by org --csv)"
agent_stop
echo "hot backups, a restore that folds to the same tables, prune with its refusals, redrive: once"
