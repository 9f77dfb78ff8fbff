#!/usr/bin/env bash
# A disk without room under the agent: bytes, inodes, a quota.  Nothing is acknowledged meanwhile,
# nothing that was is lost, and it goes on at its next try (each second) without a restart.  A disk
# that is read-only is said.  Needs to mount a small tmpfs, so it needs root; the limit on a file's
# size does not.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${GBILL_BIN:?set GBILL_BIN to the build directory}
dir=$(mktemp -d /tmp/gbill-fullagent-XXXXXX)
agent= mounted=
cleanup() {
    if [ -n "$agent" ]; then kill -9 "$agent" 2>/dev/null || true; fi
    wait 2>/dev/null || true
    if [ -n "$mounted" ]; then umount -l "$dir/disk"; fi
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAIL: $*" >&2; tail -5 "$dir/agent.log" >&2; exit 1; }
mkdir "$dir/disk"
export GBILL_DATA=$dir/disk/data

# start_agent [PREFIX...]
start_agent() {
    : >"$dir/agent.log"
    "$@" "$bin/gbill-agent" 2>"$dir/agent.log" &
    agent=$!
    for _ in $(seq 200); do [ -S "$GBILL_DATA/agent.sock" ] && return; sleep 0.02; done
    fail "the agent does not come up"
}
stop_agent() { kill "$agent"; wait "$agent" || fail "the agent did not end with 0"; agent=; }
wait_said() { for _ in $(seq 300); do grep -q "$1" "$dir/agent.log" && return; sleep 0.02; done; fail "the agent never said $1"; }
now_ms() { echo $(($(date +%s%N) / 1000000)); }

# send FROM COUNT OUT: in chunks that are too large for the log's tail, which has its room already: events FROM to FROM + COUNT - 1, until they are acknowledged
send() {
    seq "$1" $(($1 + $2 - 1)) | awk '{printf "{\"id\":\"e%d\",\"organizationId\":\"o\",\"userId\":\"u-%x-%x\",\"type\":\"chat\",\"provider\":\"openai\",\"model\":\"gpt-4o\",\"inputTokens\":%d,\"outputTokens\":1}\n", $1, $1 * 2654435761 % 4294967296, $1 * 40503 % 65536, $1}' |
        "$bin/gbill" send --format jsonl --chunk 2000 --timeout 60 --json - >"$3"
}
logged() { "$bin/gbill" log verify --json | sed -n 's/.*"stream":"events","events":\([0-9]*\).*/\1/p'; }

# goes_on NAME FROM ROOM...: with no room left, events from FROM are not acknowledged; the command
# ROOM makes room, and then they are, at the next try.
goes_on() {
    local name=$1 from=$2 sender freed
    shift 2
    send "$from" 60000 "$dir/sent" &
    sender=$!
    wait_said event=disk_full
    sleep 1.3
    kill -0 "$sender" 2>/dev/null || fail "$name: acknowledged without room, or given up"
    kill -0 "$agent" 2>/dev/null || fail "$name: the agent ended"
    "$@"
    freed=$(now_ms)
    wait_said event=resumed
    # One second between two tries, and some for this script's own steps.
    [ $(($(now_ms) - freed)) -le 1700 ] || fail "$name: went on after $(($(now_ms) - freed)) ms"
    wait "$sender" || fail "$name: the sender gave up"
}

if mount -t tmpfs -o size=24m,nr_inodes=200 tmpfs "$dir/disk" 2>/dev/null; then
    mounted=1
    start_agent
    send 1 200 "$dir/sent"
    fill() { dd if=/dev/zero of="$dir/disk/fill" bs=4k 2>/dev/null || true; }
    fill
    goes_on "a full disk" 201 rm "$dir/disk/fill"
    [ "$(logged)" -ge 60200 ] || fail "a full disk: $(logged) events in the log, 60200 were acknowledged"
    stop_agent
    # The first day file, for which there is no room: LMDB's lock file would be a SIGBUS.
    rm -rf "$GBILL_DATA"
    fill
    start_agent
    goes_on "a start on a full disk" 1 rm "$dir/disk/fill"
    stop_agent
    rm -rf "$GBILL_DATA"
    # No inode for the first day file.
    start_agent
    i=0
    while touch "$dir/disk/inode-$i" 2>/dev/null; do i=$((i + 1)); done
    goes_on "no inodes" 1 bash -c "rm -f $dir/disk/inode-*"
    [ "$(logged)" -ge 60000 ] || fail "no inodes: $(logged) events in the log"
    stop_agent
    mount -o remount,ro "$dir/disk"
    status=0
    "$bin/gbill-agent" 2>"$dir/agent.log" || status=$?
    [ "$status" = 9 ] || fail "a read-only disk: exit status $status, expected 9"
    grep -q 'gbill-agent: .*Read-only file system' "$dir/agent.log" || fail "a read-only disk is not said"
    umount "$dir/disk"
    mounted=
else
    echo "no tmpfs may be mounted here: only the limit on a file's size is tried"
fi
# As a quota: no file may be larger than 2 MiB, until the limit is lifted.
start_agent prlimit --fsize=2097152:unlimited
send 1 200 "$dir/sent"
seq 40 | while read -r n; do kill -0 "$agent" 2>/dev/null || break; grep -q event=disk_full "$dir/agent.log" && break; timeout 2 "$bin/gbill" send --format azure-llm --timeout 1 tests/data/azure-llm/AzureLLMInferenceTrace_conv.csv >/dev/null 2>&1 || true; done
before=$(logged)
goes_on "a limit on a file's size" 201 prlimit --pid "$agent" --fsize=unlimited
[ "$(logged)" -ge $((before + 60000)) ] || fail "a limit on a file's size: events are lost"
stop_agent
echo "the agent waits for room, says so, and goes on"
