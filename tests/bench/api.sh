#!/usr/bin/env bash
# api.sh DIRECTORY [SECONDS]: gbill api on one core under wrk, while events come in and are folded:
# GET limits, and POST usage answered when it is on the agent's disk; beside a server on the same
# library that does nothing, in the same run and under the same load.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=$(cd "${GBILL_BIN:-build/release}" && pwd)
dir=$1 seconds=${2:-10}
die() { echo "bench: $*" >&2; exit 1; }
command -v wrk >/dev/null || die "wrk is missing; install wrk"
export GBILL_DATA=$dir/data PATH=$bin:$PATH
mkdir "$GBILL_DATA"
pids=()
cleanup() { for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; wait 2>/dev/null || true; }
trap cleanup EXIT
cores=$(nproc)
server_core=$((cores - 1)) # the last one; everything else may use the others
others=$([ "$cores" -gt 1 ] && echo "0-$((cores - 2))" || echo 0)

taskset -c "$others" gbill-agent 2>"$dir/agent.log" &
pids+=($!)
for _ in $(seq 200); do [ -S "$GBILL_DATA/agent.sock" ] && break; sleep 0.05; done
key=$(gbill key create --org org-7 --scopes read,write 2>/dev/null)
seq 20000 | awk '{printf "{\"id\":\"b%d\",\"organizationId\":\"org-%d\",\"userId\":\"u\",\"type\":\"chat\",\"provider\":\"openai\",\"model\":\"gpt-4o-mini\",\"inputTokens\":%d,\"outputTokens\":7}\n", $1, $1 % 1000, $1}' >"$dir/events.jsonl"
gbill send "$dir/events.jsonl" >/dev/null
gbill rollup >/dev/null && gbill limits >/dev/null

taskset -c "$server_core" gbill api --listen 127.0.0.1:0 --key-rate 0 --address-rate 0 2>"$dir/api.log" &
api=$!
pids+=($api)
for _ in $(seq 200); do grep -q event=listening "$dir/api.log" && break; sleep 0.05; done
base=http://$(sed -n 's/.*event=listening on=\([^ ]*\).*/\1/p' "$dir/api.log")
mkfifo "$dir/stop"
taskset -c "$server_core" "$bin/tests/bench_http" <"$dir/stop" >"$dir/port" &
least_pid=$!
exec 9>"$dir/stop"
for _ in $(seq 200); do [ -s "$dir/port" ] && break; sleep 0.05; done
least=http://127.0.0.1:$(cat "$dir/port")

cat >"$dir/post.lua" <<'LUA'
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"userId":"u","type":"chat","provider":"openai","model":"gpt-4o-mini","inputTokens":150,"outputTokens":300}'
LUA
cpu() { awk '{print $14 + $15}' "/proc/$1/stat"; } # in hundredths of a second
# ask NAME PID CONNECTIONS URL ARGUMENT...: NAME, requests a second, p50, p99, answers that are none of 200,
# requests in a second of CPU time, which other load on the machine changes less, connections.
# As many requests are under way as there are connections: the mean time is connections / rate.
ask() {
    local name=$1 pid=$2 connections=$3 url=$4 before
    shift 4
    before=$(cpu "$pid")
    $first taskset -c "$others" wrk -t1 -c"$connections" -d"${seconds}s" --latency "$@" -H "Authorization: Bearer $key" "$url" >"$dir/$name.wrk"
    awk -v name="$name" -v ticks=$(($(cpu "$pid") - before)) -v connections="$connections" '/50%/ {p50 = $2} /99%/ {p99 = $2} /Requests\/sec/ {rate = $2} /Non-2xx/ {bad = $NF} /requests in/ {n = $1}
        END {printf "%s %.0f %s %s %d %.0f %d\n", name, rate, p50, p99, bad, n * 100 / (ticks > 0 ? ticks : 1), connections}' "$dir/$name.wrk" >>"$dir/results"
}
# paced NAME PID URL: the same below what the server can do: each connection rests 2 ms after an answer.
# Server and wrk come before whatever else the machine does, where that is allowed: the time is theirs then,
# and not of who else was running.  Not so in ask(): the kernel stops real-time threads that fill a core.
echo 'function delay() return 2 end' >"$dir/paced.lua"
first=
paced() {
    if chrt -a -f -p 1 "$2" 2>/dev/null; then first="chrt -f 1"; fi
    ask "$1" "$2" 52 "$3" -s "$dir/paced.lua"
    if [ -n "$first" ]; then chrt -a -o -p 0 "$2"; fi
    first=
}
# Events come in, and are folded, while all is asked.
(while :; do taskset -c "$others" gbill send --rate 2000 --seed "$RANDOM" <(sed 's/"id":"[^"]*",//' "$dir/events.jsonl") --format jsonl >/dev/null 2>&1 || sleep 1; done) &
pids+=($!)
(while :; do taskset -c "$others" gbill rollup >/dev/null 2>&1; taskset -c "$others" gbill limits >/dev/null 2>&1; sleep 1; done) &
pids+=($!)
folded() { curl -s "$base/health" | sed 's/.*"position":\([0-9]*\).*/\1/'; }
limits="$base/api/billing/limits?organizationId=org-7"
from=$(folded) since=$SECONDS
ask limits "$api" 16 "$limits"
paced limits-paced "$api" "$limits"
came=$((($(folded) - from) / (SECONDS - since)))
ask least-get "$least_pid" 16 "$least/"
paced least-paced "$least_pid" "$least/"
ask not-found "$api" 16 "$base/nothing"
ask least-post "$least_pid" 256 "$least/" -s "$dir/post.lua"
ask post "$api" 256 "$base/api/billing/usage" -s "$dir/post.lua"
exec 9>&-
result() { awk -v name="$1" -v of="$2" '$1 == name {rate = $2; p50 = $3; p99 = $4; bad = $5; cpu = $6; c = $7} $1 == of {least = $2; least_p99 = $4; least_cpu = $6}
    END {printf "%d connections: %d a second, p50 %s, p99 %s, %d refused; a server that does nothing: %d, p99 %s; in a second of CPU %d, %.2f of its %d\n",
        c, rate, p50, p99, bad, least, least_p99, cpu, cpu / least_cpu, least_cpu}' "$dir/results"; }
echo "api    GET limits          $(result limits least-get)"
echo "api    GET limits, paced   $(result limits-paced least-paced)"
echo "api    404                 $(result not-found least-get)"
echo "api    POST usage, on disk $(result post least-post)"
echo "api    server on core $server_core of $cores, load $(cut -d' ' -f1 /proc/loadavg); during GET limits $came events a second came in and were folded"
