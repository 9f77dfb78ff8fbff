#!/usr/bin/env bash
# ./dev soak [DIVISOR]: every fault test in its long form, a line for each at the end.  DIVISOR makes
# the counts smaller: 100 to see that all of it works.
set -euo pipefail
cd "$(dirname "$0")/.."
divisor=${1:-1}
case $divisor in '' | *[!0-9]* | 0) echo "soak: \"$divisor\" is no divisor" >&2; exit 2 ;; esac
tests=${GBILL_BIN:?set GBILL_BIN to the build directory}/tests
part() { echo $((($1 + divisor - 1) / divisor)); }
table= failures=0

# run NAME COMMAND...: its last line goes to the table
run() {
    local name=$1 from=$SECONDS said status=0
    shift
    printf '%s: %s\n' "$name" "$*" >&2
    said=$("$@" | tail -1) || status=$?
    [ "$status" = 0 ] || failures=$((failures + 1))
    table+=$(printf '%-14s %-6s %6d s  %s' "$name" "$([ "$status" = 0 ] && echo ok || echo FAIL)" $((SECONDS - from)) "$said")$'\n'
}

calls() { [ "$divisor" = 1 ] && echo all || echo some; }
run "power cuts" "$tests/power_log" "$(part 100000)" "$((RANDOM * 1000))"
run "kills" "$tests/kill_cycles" "$(part 10000)" "$RANDOM"
run "failed calls" "$tests/syscall_faults" "$(calls)" "$RANDOM"
run "failed folds" "$tests/rollup_faults" "$(calls)" "$RANDOM"
run "hostile bytes" "$tests/hostile" "$(part 1000000)"
run "kills, traces" env KILLS="$(part 500)" SEED=$RANDOM tests/e2e/kill_agent.sh
run "killed folds" env KILLS="$(part 500)" SEED=$RANDOM tests/e2e/kill_jobs.sh
run "flipped bits" env GBILL_TEST_ALL_BITS=$([ "$divisor" = 1 ] && echo 1) "$tests/test_store" --filter 'store_seal/a_flipped_bit*' --timeout 3000 --jobs 2
run "killed seals" env KILLS="$(part 100)" tests/e2e/seal.sh
run "killed ships" env KILLS="$(part 300)" SEED=$RANDOM tests/e2e/ship.sh
run "histories" env GBILL_HISTORY_SEED=$RANDOM GBILL_HISTORY_S="$(part 1800)" "$tests/test_ingest" --filter 'ingest_live_history/*' --timeout 14400
run "killed crowds" env GBILL_CROWD_KILLS="$(part 500)" "$tests/test_ingest" --filter 'ingest_live_crowd/*' --timeout 14400
run "tokens" env TOKENS_STRINGS="$(part 1000000)" TOKENS_MB="$(part 50)" TOKENS_STEP="$([ "$divisor" = 1 ] && echo 1 || echo 100)" SEED=$RANDOM tests/e2e/tiktoken.sh
run "full disk" tests/e2e/full_disk_agent.sh
printf '\n%s' "$table"
[ "$failures" = 0 ] || { echo "soak: $failures of these failed"; exit 1; }
