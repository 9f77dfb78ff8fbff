#!/usr/bin/env bash
# rollup.sh DIRECTORY [EVENTS [IDS [REPEATS]]]: gbill rollup against DuckDB on one day of EVENTS
# events, then small folds with IDS ids behind them (0: leave that out).  npm's DuckDB is installed
# into the build directory, once.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${GBILL_BIN:-build/release}
dir=$1 events=${2:-10000000} ids=${3:-100000000} repeats=${4:-2}
die() { echo "bench: $*" >&2; exit 1; }
command -v npm >/dev/null || die "npm is missing; install nodejs and npm"

# Logs, CSV, Parquet and tables; ids while runs are merged.
need=$(((events * 500 + ids * 80) >> 20))
free=$(df --output=avail -m "$dir" | tail -1)
[ "$free" -gt "$need" ] ||
    die "$dir has $free MiB free, $events events and $ids ids need $need; ask for fewer, or set BENCH_DIR"

npm_dir=$bin/npm-bench
if [ ! -d "$npm_dir/node_modules/@duckdb/node-api" ]; then
    mkdir -p "$npm_dir"
    npm install --loglevel error --no-audit --no-fund --fetch-retries 1 --prefix "$npm_dir" \
        @duckdb/node-api@1.5.6-r.1 >/dev/null ||
        die "npm cannot install @duckdb/node-api into $npm_dir; this needs npm's registry"
fi

work=$dir/rollup
mkdir "$work"
"$bin/tests/bench_make" "$events" "$work/full" "$work/half" "$work/events.csv"
NODE_PATH=$npm_dir/node_modules node tests/bench/bench_rollup.js "$bin" "$work" "$events" "$repeats"
rm -rf "$work"

if [ "$ids" -gt 0 ]; then
    mkdir "$work"
    "$bin/tests/bench_increment" "$bin/gbill" "$work" schemas/prices.json "$ids"
fi
