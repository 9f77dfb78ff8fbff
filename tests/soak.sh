#!/usr/bin/env bash
# ./dev soak [MINUTES]: kill the agent at random moments under load, again and again (default 30
# minutes), 500 kills a round; every round checks that what was acknowledged is in the log, that the
# log verifies and that the totals are exact.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=${1:-30}
case $minutes in '' | *[!0-9]*) echo "soak: \"$minutes\" is no number of minutes" >&2; exit 2 ;; esac
end=$(($(date +%s) + minutes * 60))
# Every bit of a day file in each of its forms, not one of each byte; and more kills of a seal.
GBILL_TEST_ALL_BITS=1 "$GBILL_BIN/tests/test_store" --filter 'store_seal/a_flipped_bit*' --timeout 3000 --jobs 2
KILLS=100 tests/e2e/seal.sh 2>/dev/null
round=0
while [ "$(date +%s)" -lt "$end" ]; do
    round=$((round + 1))
    printf 'round %d: ' "$round"
    KILLS=${KILLS:-500} SEED=$RANDOM tests/e2e/kill_agent.sh 2>/dev/null
done
echo "soak: $round rounds without a loss"
