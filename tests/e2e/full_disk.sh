#!/usr/bin/env bash
# A disk that fills up under gbill rollup: it says so in one line, nothing is lost, and the next run
# with room goes on.  Needs to mount a small tmpfs, so it needs root.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${GBILL_BIN:?set GBILL_BIN to the build directory}
dir=$(mktemp -d /tmp/gbill-full-XXXXXX)
mounted=
cleanup() {
    if [ -n "$mounted" ]; then umount "$dir"; fi
    rmdir "$dir"
}
trap cleanup EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }
mount -t tmpfs -o size=26m tmpfs "$dir" 2>/dev/null || { echo "skipped: no tmpfs may be mounted here"; exit 0; }
mounted=1
export GBILL_DATA=$dir/data
"$bin/tests/bench_make" 200000 "$GBILL_DATA" >/dev/null

# full PATTERN COMMAND...: exit status 11 and one line that says so
full() {
    local pattern=$1 status=0 said
    shift
    said=$("$@" 2>&1 >/dev/null) || status=$?
    [ "$status" = 11 ] || fail "$*: exit status $status, expected 11: $said"
    [[ "$said" != *$'\n'* ]] && grep -qE -- "$pattern" <<<"$said" || fail "$*: \"$said\" does not match $pattern"
}
full 'tables.mdb: cannot commit: the disk is full; make room' "$bin/gbill" rollup
full 'a check needs [0-9]+ MiB for its scratch file, [0-9]+ are free' "$bin/gbill" rollup --check
dd if=/dev/zero of="$dir/fill" bs=64K 2>/dev/null || true
full 'the disk is full; make room and run it again' "$bin/gbill" rollup
rm "$dir/fill"
mount -o remount,size=200m "$dir"
"$bin/gbill" rollup | grep 'position 200000' >/dev/null || fail "the next run did not go on"
"$bin/gbill" rollup --check >/dev/null
"$bin/gbill" audit --by org >/dev/null

# An export that does not fit leaves the file as it was; so does a pipe that nobody reads any more.
echo old >"$dir/rows"
dd if=/dev/zero of="$dir/fill" bs=64K 2>/dev/null || true
full 'cannot write .*/rows: No space left' "$bin/gbill" report export -o "$dir/rows"
[ "$(cat "$dir/rows")" = old ] && [ ! -e "$dir/rows.new" ] || fail "an export without room changed its file"
rm "$dir/fill"
{ status=0; "$bin/gbill" report export 2>"$dir/said" || status=$?; echo "$status" >"$dir/status"; } | head -n 1 >/dev/null
[ "$(cat "$dir/status")" = 10 ] || fail "a closed pipe: exit status $(cat "$dir/status")"
[ "$(wc -l <"$dir/said")" = 1 ] && grep -q 'its reader is gone, with [0-9]* rows' "$dir/said" || fail "$(cat "$dir/said")"
"$bin/gbill" report export -o "$dir/rows" 2>"$dir/said"
grep -q 'rows, as of log position 200000' "$dir/said" || fail "$(cat "$dir/said")"
calls=$("$bin/gbill" report usage --by tier --json 2>/dev/null | python3 -c 'import json, sys
print(sum(row["calls"] for row in json.load(sys.stdin)))')
python3 - "$dir/rows" "$calls" <<'PYTHON' || fail "an export does not have the report's calls"
import csv, sys
rows = list(csv.DictReader(open(sys.argv[1], newline="")))
sys.exit(sum(int(row["calls"]) for row in rows) != int(sys.argv[2]))
PYTHON
echo "a full disk was said, and nothing lost"
