#!/usr/bin/env bash
# A host's log goes to a collector under load, while the shipper, the collector and the host's own agent
# are killed at random moments: the copy is the log, event for event, chain for chain, and folds to the
# same bytes.  Then who gets nothing in: another key, another history, a pruned past, a full disk.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=$(cd "${GBILL_BIN:?set GBILL_BIN to the build directory}" && pwd)
kills=${KILLS:-12}
dir=$(mktemp -d /tmp/gbill-ship-XXXXXX)
agent= collector= shipper= sender= mounted=
cleanup() {
    for pid in $agent $collector $shipper $sender; do kill -9 "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    [ -z "$mounted" ] || umount -l "$mounted"
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAIL: $*" >&2; tail -n 3 "$dir"/*.log >&2; exit 1; }
src=$dir/src col=$dir/col copy=$dir/col/hosts/edge1
export PATH=$bin:$PATH

wait_for() { for _ in $(seq 400); do [ "$(eval "$1")" ] && return; sleep 0.02; done; fail "never: $1"; }
start_agent() { gbill-agent --data "$src" 2>>"$dir/agent.log" & agent=$!; wait_for "[ -S '$src/agent.sock' ] && echo 1"; }
port=0
start_collector() { # OPTION...: at the port that it had before
    : >"$dir/collector.log"
    gbill-agent --data "$col" --listen "127.0.0.1:$port" --shared-key-file "$dir/key" "$@" 2>"$dir/collector.log" & collector=$!
    wait_for "grep event=listening '$dir/collector.log'"
    port=$(sed -n 's/.* tcp=[^ ]*:\([0-9]*\) .*/\1/p' "$dir/collector.log" | head -1)
}
stop() { kill "$1"; wait "$1" || fail "$1 did not end with 0"; }
ship() { gbill ship --data "$src" --to "127.0.0.1:$port" --shared-key-file "$dir/key" --host edge1 "$@"; }
# expect STATUS PATTERN COMMAND...: that exit status, and a line on stderr that matches
expect() {
    local want=$1 pattern=$2 status=0
    shift 2
    "$@" >"$dir/out" 2>"$dir/err" || status=$?
    [ "$status" = "$want" ] || fail "$*: exit status $status, expected $want: $(cat "$dir/err")"
    grep -qE -- "$pattern" "$dir/err" || fail "$*: \"$(cat "$dir/err")\" does not match $pattern"
}
send() { gbill send --data "$src" --format jsonl - >/dev/null 2>&1 || fail "send"; }
events() { # NAME COUNT: and one for the quarantine
    seq "$2" | awk -v n="$1" '{printf "{\"id\":\"%s-%d\",\"organizationId\":\"o%d\",\"userId\":\"u\",\"type\":\"chat\",\"provider\":\"openai\",\"model\":\"gpt-4o\",\"inputTokens\":%d,\"outputTokens\":1}\n", n, $1, $1 % 7, $1}'
    echo "{\"organizationId\":\"$1\"}"
}
becomes() { # DAYS_AGO: what was received until now is an earlier day's
    stop "$agent"
    mv "$src/log/$(date -u +%F).mdb" "$src/log/$(date -u -d "$1 days ago" +%F).mdb"
    rm -f "$src"/log/*.mdb-lock
    start_agent
}
days() { gbill log verify --days --json --data "$1" || fail "$1 does not verify"; }
same() { # the copy is the log
    diff <(days "$src") <(days "$copy") >&2 || fail "$1: the copy's days, chains or counts differ"
    cmp <(gbill log cat --data "$src") <(gbill log cat --data "$copy") || fail "$1: the copy's events differ"
    cmp <(gbill quarantine list --json --data "$src") <(gbill quarantine list --json --data "$copy") || fail "$1: the quarantine differs"
}
sums() { find "$1" -name '*.mdb' -exec sha256sum {} + | sort; }

# The script names files by today's date and must not run over midnight.
[ "$(date -u +%H%M)" -lt 2358 ] || sleep 121
(umask 077; openssl rand -hex 32 >"$dir/key"; openssl rand -hex 32 >"$dir/other")

# ---- three days, one of them sealed, and a load on the fourth ----
start_agent
events first 3000 | send
becomes 5
events second 200 | send
becomes 4
echo '{"organizationId":"nobody"}' | send # a day with nothing but a quarantined event
becomes 3
events third 3000 | send
gbill log seal --data "$src" --day "$(date -u -d "5 days ago" +%F)" >/dev/null
start_collector --collect
(
    until [ -e "$dir/enough" ]; do
        gbill send --data "$src" --format azure-llm --chunk 20 --rate 20000 --timeout 60 --wait tests/data/azure-llm/AzureLLMInferenceTrace_conv.csv >/dev/null 2>&1 || exit 1
        events load 5 | gbill send --data "$src" --timeout 60 --wait --format jsonl - >/dev/null 2>&1 || exit 1
    done
) & sender=$!
follow() {
    gbill ship --follow --data "$src" --to "127.0.0.1:$port" --shared-key-file "$dir/key" --host edge1 2>>"$dir/ship.log" >/dev/null &
    shipper=$!
}
follow
RANDOM=${SEED:-20261124}
for ((k = 0; k < kills; k++)); do
    sleep "0.$((RANDOM % 2))$((RANDOM % 9 + 1))"
    case $((k % 3)) in
    0) kill -9 "$shipper" 2>/dev/null || fail "the shipper ended by itself"; wait "$shipper" 2>/dev/null || true; follow ;;
    1) kill -9 "$collector" 2>/dev/null || fail "the collector ended by itself"; wait "$collector" 2>/dev/null || true; start_collector --collect ;;
    2) kill -9 "$agent" 2>/dev/null || fail "the agent ended by itself"; wait "$agent" 2>/dev/null || true; start_agent
        # A day that closes, and is sealed while it is shipped.
        [ $k -ne 2 ] || gbill log seal --data "$src" >/dev/null ;;
    esac
done
kill -0 "$shipper" 2>/dev/null || fail "the shipper gave up"
touch "$dir/enough"
wait "$sender" || fail "the sender did not finish"
sender=
tip() { gbill log stat --json --data "$1" | sed -n 's/.*"stream":"events".*"lastSeq":\([0-9]*\).*/\1/p' | tail -1; }
wait_for "[ \"\$(tip '$src')\" = \"\$(tip '$copy' 2>/dev/null)\" ] && echo 1"
# What comes now is there in a moment.
events lone 1 | send
wait_for "[ \"\$(tip '$src')\" = \"\$(tip '$copy')\" ] && echo 1"
stop "$shipper"
shipper=
[ "$(grep -c event=not_shipping "$dir/ship.log")" -ge 1 ] || fail "the collector was killed and nobody noticed"
ship --json >"$dir/out" || fail "ship --once"
same "after $kills kills"
for d in "$src" "$copy"; do
    gbill rollup --digest --data "$d" 2>/dev/null | sed -n 's/.*digest //p' >"$d/digest"
    gbill audit --roots --data "$d" >/dev/null
done
[ -s "$src/digest" ] && cmp "$src/digest" "$copy/digest" || fail "the copy folds to other bytes"
[ "$(wc -l <"$src/roots.jsonl")" = 3 ] && cmp "$src/roots.jsonl" "$copy/roots.jsonl" || fail "the copy has other roots"
total=$(tip "$src")

# ---- shipped again: nothing changes; sealed there, it goes on ----
sums "$copy" >"$dir/before"
ship --json | grep -q '"events":0,' || fail "something was shipped twice"
[ "$(sums "$copy")" = "$(cat "$dir/before")" ] || fail "shipping nothing changed the copy"
gbill log seal --data "$copy" >/dev/null || fail "the copy cannot be sealed"
events fourth 10 | send
ship >/dev/null || fail "ship behind a sealed day"
same "behind a sealed day"

# ---- what the collector has may go here, though nothing is folded here; no more than that ----
cp -r "$src/log" "$dir/edge-log"
mkdir "$dir/edge"; mv "$dir/edge-log" "$dir/edge/log"
prune() { gbill log prune --data "$dir/edge" --before "$(date -u +%F)" --unaudited "$@"; }
expect 6 "nothing has been folded yet" prune
cp "$src/shipped.json" "$dir/edge"
prune --json >"$dir/out" 2>/dev/null || fail "prune of shipped days"
[ "$(grep -o '"day":' "$dir/out" | wc -l)" = 3 ] || fail "prune of shipped days: $(cat "$dir/out")"
[ "$(ls "$dir/edge/log" | grep -c 'mdb$')" = 1 ] || fail "left after prune: $(ls "$dir/edge/log")"
ship --data "$dir/edge" --json | grep -q '"events":0,' || fail "shipping goes on behind pruned days"
mkdir "$dir/late"; cp -r "$src/log" "$dir/late/log"
sed 's/"events": [0-9]*/"events": 3100/' "$src/shipped.json" >"$dir/late/shipped.json"
expect 7 "is not shipped yet: its last event is [0-9]*, the collector 127.0.0.1:$port has them up to 3100" \
    gbill log prune --data "$dir/late" --before "$(date -u +%F)"
sed 's/"quarantine": [0-9]*/"quarantine": 1/' "$src/shipped.json" >"$dir/late/shipped.json"
expect 7 "is not shipped yet" gbill log prune --data "$dir/late" --before "$(date -u +%F)"
echo '{"collectors": 3}' >"$dir/late/shipped.json"
expect 3 "shipped.json: \"collectors\"" gbill log prune --data "$dir/late" --before "$(date -u +%F)"
[ "$(ls "$dir/late/log" | grep -c 'mdb$')" = 4 ] || fail "a refused prune removed something"
rm -r "$dir/edge" "$dir/late"

# ---- who gets nothing in ----
sums "$copy" >"$dir/before"
untouched() { [ "$(sums "$copy")" = "$(cat "$dir/before")" ] && [ "$(ls "$col/hosts")" = edge1 ] || fail "$1 changed something: $(ls "$col/hosts")"; }
expect 9 "shared key or host not accepted" gbill ship --data "$src" --to "127.0.0.1:$port" --shared-key-file "$dir/other" --host edge2
for name in .. . .x a/b 'a b' "$(printf 'x%.0s' {1..65})"; do
    expect 3 "the host's name is" ship --host "$name"
done
expect 13 "cannot connect" gbill ship --data "$src" --to 127.0.0.1:1 --shared-key-file "$dir/key"
expect 2 "are needed" gbill ship --data "$src"
untouched "another key"
# Another log under this name; an older state of this log that went on by itself; less of it.
cp -r "$src/log" "$dir/older"
stop "$agent"; agent=
mkdir "$dir/another" "$dir/diverged"
gbill log backup --data "$src" --to "$dir/diverged" >/dev/null
for d in another diverged; do
    gbill-agent --data "$dir/$d" 2>>"$dir/agent.log" & agent=$!
    wait_for "[ -S '$dir/$d/agent.sock' ] && echo 1"
    events "$d" 5 | gbill send --data "$dir/$d" --format jsonl - >/dev/null 2>&1
    stop "$agent"; agent=
done
expect 7 "copy of another log" ship --data "$dir/another"
untouched "another log"
start_agent
events fifth 20 | send
ship >/dev/null
sums "$copy" >"$dir/before"
expect 7 "another history|has less" ship --data "$dir/diverged"
mkdir "$dir/less"; mv "$dir/older" "$dir/less/log"
expect 7 "has less: was it restored" ship --data "$dir/less"
untouched "another history"
# Days that are gone here and were never shipped.
mkdir "$dir/pruned"; cp -r "$src/log" "$dir/pruned/log"
rm "$dir/pruned/log/$(date -u -d "5 days ago" +%F)".*mdb*
expect 6 "pruned here; .*--from-oldest" ship --data "$dir/pruned" --host edge3
ship --data "$dir/pruned" --host edge3 --from-oldest >/dev/null || fail "--from-oldest"
cmp <(days "$dir/pruned") <(days "$col/hosts/edge3") || fail "--from-oldest: the copy differs"
ship --data "$dir/pruned" >/dev/null || fail "days that were shipped before they were pruned"
rm -r "$col/hosts/edge3"
untouched "a pruned log"
stop "$collector"
start_collector
expect 3 "no collector: start it with --collect" ship
expect 3 "needs --listen" gbill-agent --check --data "$dir/none" --collect
stop "$collector"

# ---- through TLS, to a collector whose certificate is checked; each host with a key of its own ----
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout "$dir/tls.key" -out "$dir/tls.crt" 2>/dev/null
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout "$dir/x.key" -out "$dir/x.crt" 2>/dev/null
printf 'host edge1 for * key-file %s\nhost * for *\n' "$dir/other" >"$dir/peers"
start_collector --collect --tls-cert "$dir/tls.crt" --tls-key "$dir/tls.key" --peers "$dir/peers"
events sixth 2000 | send
tls() { gbill ship --data "$src" --host edge1 --shared-key-file "$dir/other" "$@"; }
expect 3 "certificate is not accepted" tls --to "localhost:$port" --tls-ca "$dir/x.crt"
expect 3 "certificate is not accepted: .*(mismatch|match)" tls --to "127.0.0.1:$port" --tls-ca "$dir/tls.crt"
expect 9 "not accepted" ship --to "localhost:$port" --tls-ca "$dir/tls.crt" # the common key, for a host with its own
untouched "a wrong certificate"
tls --to "localhost:$port" --tls-ca "$dir/tls.crt" >/dev/null || fail "through TLS"
same "through TLS"
stop "$collector"

# ---- a full disk at the collector: no ack, and on it goes when there is room ----
mkdir "$dir/full" "$dir/full/hosts"
if mount -t tmpfs -o size=3m tmpfs "$dir/full/hosts" 2>/dev/null; then
    mounted=$dir/full/hosts col=$dir/full
    dd if=/dev/zero of="$col/hosts/.ballast" bs=64k count=40 2>/dev/null
    start_collector --collect
    follow
    wait_for "grep event=collector_full '$dir/collector.log'"
    mount -o remount,size=64m "$col/hosts"
    wait_for "grep event=collector_resumed '$dir/collector.log'"
    copy=$col/hosts/edge1
    wait_for "[ \"\$(tip '$src')\" = \"\$(tip '$copy' 2>/dev/null)\" ] && echo 1"
    stop "$shipper"
    shipper=
    same "after a full disk"
    stop "$collector"
fi
collector=
stop "$agent"
agent=
echo "$total events and their quarantine shipped through $kills kills: the copy has the same chain, roots and tables; nobody else gets in"
