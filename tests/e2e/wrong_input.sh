#!/usr/bin/env bash
# Wrong input, tried as a new user would: one clear line, the right exit status, nothing lost.
. "$(dirname "$0")/lib.sh"
begin wrong
tried=0
unset GBILL_DATA

# wrong STATUS PATTERN COMMAND...: expect it, on exactly one line
wrong() {
    expect "$@"
    one_line
    tried=$((tried + 1))
}

wrong 2 'unknown command "rolup"' "$bin/gbill" rolup
wrong 2 'did you mean "log stat", "log cat"' "$bin/gbill" log
wrong 2 '"log stt" is no command; did you mean "log stat"' "$bin/gbill" log stt
wrong 2 'unknown option --fast' "$bin/gbill" rollup --fast
wrong 2 'option --data needs a value' "$bin/gbill" rollup --data
wrong 2 'unexpected argument "now"' "$bin/gbill" rollup now
wrong 3 'batch-events is "many"' "$bin/gbill" rollup --batch-events many
wrong 2 'past is never changed.*--dry-run.*--adjustments' "$bin/gbill" rollup --reprice
wrong 2 '--against belongs to --reprice' "$bin/gbill" rollup --against schemas/prices.json
wrong 2 '--dry-run belongs to --reprice' "$bin/gbill" rollup --dry-run
wrong 2 '--rebuild folds' "$bin/gbill" rollup --reprice --dry-run --rebuild
wrong 2 '--adjustments needs --from and --to' "$bin/gbill" rollup --reprice --dry-run --adjustments
wrong 2 '--from: "soon" is no full UTC hour' "$bin/gbill" rollup --reprice --dry-run --from soon
wrong 2 '--to: "2026-11-24T08:30Z" is no full' "$bin/gbill" rollup --reprice --dry-run --to 2026-11-24T08:30Z
wrong 2 'not behind --from 2026-12' "$bin/gbill" rollup --reprice --dry-run --from 2026-12 --to 2026-11
wrong 2 'unknown option --socke' "$bin/gbill-agent" --socke x

wrong 6 "$dir/none/log.*gbill-agent" "$bin/gbill" rollup --data "$dir/none"
wrong 6 "$dir/none/tables.mdb" "$bin/gbill" rollup --reprice --dry-run --data "$dir/none"
wrong 6 "$dir/none" "$bin/gbill" log stat --data "$dir/none"
wrong 6 "$dir/none" "$bin/gbill" report usage --data "$dir/none"
wrong 6 "$dir/none" "$bin/gbill" limits --data "$dir/none"
wrong 6 "$dir/none" "$bin/gbill" invoice run --data "$dir/none"
wrong 6 "$dir/none/deeper" "$bin/gbill-agent" --data "$dir/none/deeper"
wrong 13 "$dir/none/agent.sock.*gbill-agent" "$bin/gbill" send --data "$dir/none" tests/data/azure-llm/AzureLLMInferenceTrace_code.csv --format azure-llm

# Help teaches: of a command, of a group of them, and in either order.
"$bin/gbill" help log | grep -q 'log stat .*events' || fail "gbill help log does not list gbill log stat"
cmp <("$bin/gbill" help log) <("$bin/gbill" log --help) || fail "gbill help log is not gbill log --help"
cmp <("$bin/gbill" help log stat) <("$bin/gbill" log stat --help) || fail "gbill help log stat differs"

export GBILL_DATA=$dir/data
agent_start
wrong 8 'another gbill-agent' "$bin/gbill-agent"

# A malformed line 5,000: what stands before it is in the log, and the mended file counts once.
awk -F, 'NR == 5000 {$2 = "many"} {print}' OFS=, tests/data/azure-llm/AzureLLMInferenceTrace_conv.csv >"$dir/bad.csv"
start=$(date -u -d '2 days ago' +%Y-%m-%d)
send="$bin/gbill send --format azure-llm --start $start --json"
status=0
$send "$dir/bad.csv" >"$dir/out" 2>"$dir/err" || status=$?
[ "$status" = 4 ] || fail "a malformed line: exit status $status"
grep -qE 'bad.csv:5000: ContextTokens is "many".*4998 events before it are in the log' "$dir/err" || fail "$(cat "$dir/err")"
grep -q '"acked":4998' "$dir/out" || fail "$(cat "$dir/out")"
$send tests/data/azure-llm/AzureLLMInferenceTrace_conv.csv >"$dir/out" 2>/dev/null
"$bin/gbill" rollup --json >"$dir/rollup.json"
grep -q '"priced","thisRun":19366' "$dir/rollup.json" || fail "the mended file is not counted whole: $(cat "$dir/rollup.json")"
grep -q '"duplicate","thisRun":4998' "$dir/rollup.json" || fail "the repeated lines are no duplicates: $(cat "$dir/rollup.json")"

wrong 3 'passwd:1:' "$bin/gbill" rollup --prices /etc/passwd
wrong 6 'no-such-book.json' "$bin/gbill" rollup --prices "$dir/no-such-book.json"
sed '0,/"input": "/s//"inptu": "/' schemas/prices.json >"$dir/prices.json"
wrong 3 "prices.json.*inptu" "$bin/gbill" rollup --prices "$dir/prices.json"
wrong 3 "prices.json.*inptu" "$bin/gbill" rollup --reprice --dry-run --against "$dir/prices.json"
sed 's/"input": "[0-9.]*"/"input": "1.5"/' schemas/prices.json >"$dir/edited.json"
wrong 7 'edited.json.*was charged.*--against' "$bin/gbill" rollup --reprice --dry-run --prices "$dir/edited.json"
wrong 2 'format is missing, must be litellm or genai-prices' "$bin/gbill" prices import schemas/prices.json
wrong 2 'format is csv, must be litellm' "$bin/gbill" prices import --format csv schemas/prices.json
wrong 2 'recorded soon is no time' "$bin/gbill" prices import --format litellm --recorded soon schemas/prices.json
wrong 2 'recorded 2026-01-01, which is not later' "$bin/gbill" prices import --format litellm --recorded 2026-01-01 schemas/prices.json
wrong 4 'prices.json: .*array of providers' "$bin/gbill" prices import --format genai-prices --recorded 2030-01-01 schemas/prices.json
wrong 4 'passwd: line 1: ' "$bin/gbill" prices import --format litellm /etc/passwd
wrong 3 "prices.json.*inptu" "$bin/gbill" prices import --format litellm --book "$dir/prices.json" schemas/prices.json
wrong 6 'no-such-book.json' "$bin/gbill" prices diff schemas/prices.json "$dir/no-such-book.json"
sed '0,/"input": "8"/s//"input": "9"/' schemas/prices.json >"$dir/prices.json"
wrong 7 "prices.json breaks the append-only rule in 1 place" "$bin/gbill" prices diff schemas/prices.json "$dir/prices.json"
sed 's/"amount": "29"/"amount": "-29"/' schemas/plans.json >"$dir/plans.json"
wrong 3 "plans.json.*-29" "$bin/gbill" limits --plans "$dir/plans.json"
wrong 2 '"planet" is no column' "$bin/gbill" report usage --by planet
wrong 6 'organization "nix"' "$bin/gbill" report usage --org nix
wrong 6 'organization "nix"' "$bin/gbill" invoice show --org nix
wrong 6 'nofile.csv' "$bin/gbill" send "$dir/nofile.csv"

# No permission, as somebody else; root is asked nothing, so it becomes nobody for this.
if [ "$(id -u)" = 0 ]; then
    cp "$bin/gbill" "$bin/gbill-agent" "$dir/"
    chmod 700 "$dir/data"
    wrong 9 "$dir/data.*[Pp]ermission denied" runuser -u nobody -- "$dir/gbill-agent" --data "$dir/data"
    wrong 9 "$dir/data.*[Pp]ermission denied" runuser -u nobody -- "$dir/gbill" send --data "$dir/data" --format jsonl schemas/plans.json
    mkdir -m 755 "$dir/readonly"
    wrong 9 "$dir/readonly.*[Pp]ermission denied" runuser -u nobody -- "$dir/gbill-agent" --data "$dir/readonly/data"
fi

# Postgres absent, wrong password, no schema: nothing is lost, it is published later.
wrong 3 'DATABASE_URL is not set' "$bin/gbill" publish
wrong 13 "$dir/nowhere" "$bin/gbill" publish --database "postgresql:///x?host=$dir/nowhere"
pg_start "$dir/pg"
psql -X -q "$PG_URL" -c "CREATE ROLE teller LOGIN PASSWORD 'right'" -c "CREATE DATABASE secret OWNER teller"
wrong="postgresql://teller:wr0ngwr0ng@/secret?host=$PG_SOCKET"
wrong 13 'teller.*password|password.*teller' "$bin/gbill" publish --database "$wrong"
if grep -q wr0ngwr0ng "$dir/err"; then fail "the password is shown: $(cat "$dir/err")"; fi
right="postgresql://teller:right@/secret?host=$PG_SOCKET"
wrong 6 'gbill migrate' "$bin/gbill" publish --database "$right"
"$bin/gbill" migrate --database "$right" >/dev/null
"$bin/gbill" publish --database "$right" >/dev/null
calls=$(pg_sql "$right" "SELECT sum(calls) FROM billing.usage_monthly")
[ "$calls" = 19366 ] || fail "$calls of 19366 calls are published"
echo "$tried wrong inputs: one line each, the right exit status; all 19366 calls published in the end"
