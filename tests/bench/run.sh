#!/usr/bin/env bash
# ./dev bench [ingest | check [SECONDS [CHUNK]] | rollup [EVENTS [IDS [REPEATS]]] | billing [ORGANIZATIONS] | spikes [SEED...] | forecast [SEED [by-distance]] | export [ROWS] | tokens [ENCODING] | api [SECONDS]]: ratios against this machine's own limits, in one run.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${GBILL_BIN:-build/release}
what=${1:-all}
dir=$(mktemp -d "${BENCH_DIR:-/var/tmp}/gbill-bench-XXXXXX")
agent=
cleanup() {
    if [ -n "$agent" ]; then kill "$agent" 2>/dev/null || true; wait "$agent" 2>/dev/null || true; fi
    rm -rf "$dir"
}
trap cleanup EXIT

if [ "$what" = all ] || [ "$what" = ingest ]; then
    "$bin/gbill-agent" --data "$dir/ingest" 2>"$dir/agent.log" &
    agent=$!
    for _ in $(seq 100); do [ -S "$dir/ingest/agent.sock" ] && break; sleep 0.05; done
    "$bin/tests/bench_ingest" "$dir/ingest/agent.sock" "$dir/ingest"
    "$bin/tests/bench_track" "$dir/ingest/agent.sock"
    kill "$agent"; wait "$agent" || true; agent=
    strip -o "$dir/agent.stripped" "$bin/gbill-agent"
    echo "agent  stripped binary $(($(stat -c %s "$dir/agent.stripped") / 1024)) KiB   (goal <= 256)"
    "$bin/gbill" log stat --json --data "$dir/ingest" |
        awk -F'[:,]' '/"events"/ {for (i = 1; i < NF; i++) {if ($i ~ /"events"$/) e += $(i + 1); if ($i ~ /rawBytes/) r += $(i + 1); if ($i ~ /storedBytes/) s += $(i + 1)}}
            END {printf "log    %d events, %.1f bytes an event before compression, %.1f in frames\n", e, r / e, s / e}'
    mkdir "$dir/verify"
    "$bin/tests/bench_verify" "$bin/gbill" "$dir/verify"
    echo "log    $(du -sb "$dir/ingest/log" | cut -f1) bytes of files"
fi
if [ "$what" = all ] || [ "$what" = check ]; then
    "$bin/tests/bench_make" 100000 "$dir/check" >/dev/null # a thousand organizations
    "$bin/gbill" rollup --data "$dir/check" >/dev/null
    "$bin/gbill" limits --data "$dir/check" >/dev/null
    "$bin/gbill-agent" --data "$dir/check" 2>"$dir/agent.log" &
    agent=$!
    for _ in $(seq 100); do [ -S "$dir/check/agent.sock" ] && break; sleep 0.05; done
    "$bin/tests/bench_check" "$dir/check/agent.sock" "${@:2}"
    echo "load   $(cut -d' ' -f1-3 /proc/loadavg) on $(nproc) processors; agent's peak resident memory $(awk '/VmHWM/ {printf "%.1f", $2 / 1024}' "/proc/$agent/status") MiB"
    kill "$agent"; wait "$agent" || true; agent=
fi
if [ "$what" = all ] || [ "$what" = rollup ]; then
    tests/bench/rollup.sh "$dir" "${@:2}"
fi
if [ "$what" = all ] || [ "$what" = tokens ]; then
    [ "$what" = tokens ] || set -- tokens
    tests/bench/tokens.sh "$dir" "${@:2}"
fi
if [ "$what" = all ] || [ "$what" = billing ]; then
    mkdir "$dir/billing"
    [ "$what" = billing ] || set -- billing
    "$bin/tests/bench_billing" "$bin/gbill" "$dir/billing" "${2:-100000}"
fi
if [ "$what" = all ] || [ "$what" = spikes ]; then
    nab=${NAB_DIR:-../shared/data/nab}
    [ -f "$nab/windows.json" ] || nab=-
    [ "$what" = spikes ] || set -- spikes
    "$bin/tests/bench_spikes" "$nab" "${@:2}"
fi
if [ "$what" = all ] || [ "$what" = forecast ]; then
    nab=${NAB_DIR:-../shared/data/nab}
    [ "$what" = forecast ] || set -- forecast
    if [ -d "$nab/realTweets" ]; then
        "$bin/tests/bench_forecast" "$nab" tests/data/azure-llm "${2:-20261129}" "${@:3}"
    else
        echo "forecast  no NAB data: put the benchmark's folders into ../shared/data/nab, or name their place in NAB_DIR"
    fi
fi
if [ "$what" = all ] || [ "$what" = export ]; then
    mkdir "$dir/export"
    [ "$what" = export ] || set -- export
    "$bin/tests/bench_export" "$bin/gbill" "$dir/export" "${2:-2000000}" 2> >(grep -v 'rows, as of log position' >&2)
fi
if [ "$what" = all ] || [ "$what" = api ]; then
    mkdir "$dir/api"
    [ "$what" = api ] || set -- api
    tests/bench/api.sh "$dir/api" "${@:2}"
fi
