# tests/e2e/lib.sh - what the scripts here begin with; source it, do not run it.
#
#   . "$(dirname "$0")/lib.sh"
#   begin NAME     go to the project's root; $bin is the build directory, first in PATH; $dir is a
#                  new directory under /tmp; GBILL_DATA=$dir/data, no other setting comes in from
#                  outside.  At the end, however it comes: at_end, if the script has such a
#                  function; the processes in $children and the agent are ended; Postgres in
#                  $dir/pg is stopped, if there is one; $dir is removed
#   fail WORDS     say what is wrong, with the agent's last words, and end
#   same A B WHAT  both are the same text, or fail
#   expect STATUS PATTERN COMMAND...   that exit status, and a line on stderr that matches; what it
#                  printed is in $dir/out and $dir/err
#   one_line       the last expect had one line on stderr, no more
#   wait_for PATH [SECONDS]            until it is there (20)
#   agent_start [COMMAND...]           start the agent on GBILL_DATA, by COMMAND if given; $agent
#   agent_wait     until its socket is there
#   agent_stop     end it; it must exit with 0
#   becomes DAYS_AGO   what the agent received until now is an earlier day's

begin() {
    set -euo pipefail
    cd "$(dirname "${BASH_SOURCE[0]}")/../.."
    bin=$(cd "${GBILL_BIN:?set GBILL_BIN to the build directory}" && pwd)
    . tests/e2e/lib_postgres.sh
    dir=$(mktemp -d "/tmp/gbill-$1-XXXXXX")
    chmod 755 "$dir" # Postgres runs as somebody else
    agent= children=
    trap clean_up EXIT
    unset GBILL_ENCODINGS ANTHROPIC_API_KEY ANTHROPIC_BASE_URL DATABASE_URL GBILL_PRICES GBILL_PLANS GBILL_NOTIFY GBILL_PARTIES GBILL_SOCKET
    unset STRIPE_SECRET_KEY STRIPE_WEBHOOK_SECRET STRIPE_PUBLISHABLE_KEY STRIPE_API_BASE STRIPE_TIMEOUT GBILL_STRIPE_COLLECT
    export GBILL_DATA=$dir/data PATH=$bin:$PATH
}

clean_up() {
    if declare -F at_end >/dev/null; then at_end || true; fi
    for pid in $children $agent; do
        kill "$pid" 2>/dev/null || true
        # One that a test has stopped by SIGSTOP does not hear it.
        kill -CONT "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    if [ -e "$dir/pg/data/postmaster.pid" ]; then pg_stop "$dir/pg" || true; fi
    rm -rf "$dir"
}

fail() {
    echo "FAIL: $*" >&2
    if [ -s "$dir/agent.log" ]; then tail -5 "$dir/agent.log" >&2; fi
    exit 1
}

same() { [ "$1" = "$2" ] || fail "$3: \"$1\", expected \"$2\""; }

expect() {
    local want=$1 pattern=$2 status=0
    shift 2
    "$@" >"$dir/out" 2>"$dir/err" || status=$?
    [ "$status" = "$want" ] || fail "$*: exit status $status, expected $want: $(cat "$dir/err")"
    grep -qE -- "$pattern" "$dir/err" || fail "$*: \"$(cat "$dir/err")\" does not match $pattern"
}

one_line() { [ "$(wc -l <"$dir/err")" = 1 ] || fail "not one line: $(cat "$dir/err")"; }

wait_for() {
    for _ in $(seq $((${2:-20} * 50))); do [ -e "$1" ] && return; sleep 0.02; done
    fail "$1 does not come"
}

agent_wait() { wait_for "$GBILL_DATA/agent.sock"; }

agent_start() {
    rm -f "$GBILL_DATA/agent.sock"
    "${@:-gbill-agent}" 2>>"$dir/agent.log" &
    agent=$!
    agent_wait
}

agent_stop() {
    local pid=$agent
    kill "$pid"
    agent=
    wait "$pid" || fail "the agent ended with $?, not 0"
}

becomes() {
    agent_stop
    mv "$GBILL_DATA/log/$(date -u +%F).mdb" "$GBILL_DATA/log/$(date -u -d "$1 days ago" +%F).mdb"
    rm -f "$GBILL_DATA"/log/*.mdb-lock
    agent_start
}
