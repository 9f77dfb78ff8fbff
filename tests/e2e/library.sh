#!/usr/bin/env bash
# libgbill as a stranger gets it: installed under a prefix, found by pkg-config, the example compiled
# by gcc and g++ against the shared and the static library, run against a live agent that is killed
# meanwhile; what the libraries export and need; the manual page.
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${GBILL_BIN:?set GBILL_BIN to the build directory}
dir=$(mktemp -d /tmp/gbill-library-XXXXXX)
agent= tracker=
cleanup() {
    for pid in $agent $tracker; do kill -9 "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }

cmake --install "$bin" --prefix "$dir/usr" >"$dir/install.log"
usr=$dir/usr
lib=$(dirname "$(find "$usr" -name libgbill.a)")
for file in bin/gbill sbin/gbill-agent include/gbill.h include/gbill_limit.h include/gbill_tokens.h share/man/man3/gbill.3 share/man/man1/gbill.1 share/man/man8/gbill-agent.8 \
    share/gbill/prices.json share/gbill/plans.json share/doc/gbill/examples/track.c share/doc/gbill/examples/reserve.c share/doc/gbill/examples/count.c \
    share/gbill/encodings.bin \
    share/doc/gbill/schemas/event.md; do
    [ -s "$usr/$file" ] || fail "$file is not installed"
done
[ "$(ls "$usr/share/gbill/postgres" | wc -l)" = "$(ls schemas/postgres/*.sql | wc -l)" ] ||
    fail "not all migrations are installed"

# One name, one dependency.
export PKG_CONFIG_PATH=$lib/pkgconfig
[ "$("$usr/bin/gbill" --version)" = "gbill $(pkg-config --modversion gbill)" ] || fail "versions differ"
api='gbill_check gbill_close gbill_flush gbill_limit_check gbill_limit_release gbill_limit_reserve gbill_open gbill_tokens_close gbill_tokens_count gbill_tokens_count_chat gbill_tokens_decode gbill_tokens_encode gbill_tokens_open gbill_track gbill_track_record gbill_wait'
exported() { nm "$@" --defined-only | awk 'NF == 3 {print $3}' | sort | xargs; }
[ "$(exported -D "$lib/libgbill.so")" = "$api" ] || fail "shared: $(exported -D "$lib/libgbill.so")"
[ "$(exported -g "$lib/libgbill.a")" = "$api" ] || fail "static: $(exported -g "$lib/libgbill.a")"
needs=$(readelf -d "$lib/libgbill.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | xargs)
[ "$needs" = libc.so.6 ] || fail "the shared library needs $needs"
readelf -d "$lib/libgbill.so" | grep -q 'SONAME.*\[libgbill.so.0\]' || fail "SONAME"
for name in $api; do
    grep -q "$name" "$usr/share/man/man3/gbill.3" || fail "gbill(3) does not know $name"
    grep -q "$name(" "$usr/include/gbill.h" "$usr/include/gbill_limit.h" "$usr/include/gbill_tokens.h" || fail "no header declares $name"
done
for code in $(sed -n '/^enum gbill_code/,/};/p' "$usr/include/gbill.h" | grep -o 'GBILL_[A-Z_]* =' | tr -d ' ='); do
    grep -q "$code" "$usr/share/man/man3/gbill.3" || fail "gbill(3) does not know $code"
done
if command -v mandoc >/dev/null; then
    complaints=$(mandoc -T lint -W warning "$usr/share/man/man3/gbill.3" | grep -v 'referenced manual not found' || true)
    [ -z "$complaints" ] || fail "gbill(3): $complaints"
fi

example=$usr/share/doc/gbill/examples/track.c
warn="-Wall -Wextra -Wpedantic -Werror"
gcc -std=c11 $warn -o "$dir/track-c" "$example" $(pkg-config --cflags --libs gbill)
g++ -x c++ -std=c++11 $warn -o "$dir/track-c++" "$example" -x none $(pkg-config --cflags --libs gbill)
reserve=$usr/share/doc/gbill/examples/reserve.c
gcc -std=c99 $warn -o "$dir/reserve-c" "$reserve" $(pkg-config --cflags --libs gbill)
g++ -x c++ -std=c++11 $warn -o "$dir/reserve-c++" "$reserve" -x none $(pkg-config --cflags --libs gbill)
count=$usr/share/doc/gbill/examples/count.c
gcc -std=c99 $warn -o "$dir/count-c" "$count" $(pkg-config --cflags --libs gbill)
g++ -x c++ -std=c++11 $warn -o "$dir/count-c++" "$count" -x none $(pkg-config --cflags --libs gbill)
gcc -std=c99 $warn -static -o "$dir/track-static" "$example" $(pkg-config --static --cflags --libs gbill)
! ldd "$dir/track-static" >/dev/null 2>&1 || fail "the static program is not static"
export LD_LIBRARY_PATH=$lib

# The same numbers as the program's; a chat's; and whose tokenizer is not public.
export GBILL_ENCODINGS=$usr/share/gbill/encodings.bin
for model in gpt-4o gpt-4 text-davinci-003 r50k_base; do
    which=--model; [ "$model" != r50k_base ] || which=--encoding
    want=$("$usr/bin/gbill" tokens count $which "$model" README.md)
    for program in count-c count-c++; do
        got=$("$dir/$program" "$model" <README.md) || fail "$program $model: exit status $?"
        [ "$got" = "$want" ] || fail "$program $model: $got tokens, not $want"
    done
done
status=0; "$dir/count-c" claude-opus-4-1 <README.md 2>"$dir/err" || status=$?
[ "$status" = 6 ] && grep -q 'claude-opus-4-1 is not public' "$dir/err" || fail "claude: $status $(cat "$dir/err")"
status=0; GBILL_ENCODINGS=$dir/none "$dir/count-c" gpt-4o <README.md 2>"$dir/err" || status=$?
[ "$status" = 6 ] && grep -q "$dir/none" "$dir/err" || fail "no file: $status $(cat "$dir/err")"

data=$dir/data
start_agent() { "$usr/sbin/gbill-agent" --data "$data" 2>>"$dir/agent.log" & agent=$!; }
kill_agent() { kill -9 "$agent"; wait "$agent" 2>/dev/null || true; agent=; }
events() { "$usr/bin/gbill" log stat --data "$data" --json | grep -o '"events":[0-9]*' | head -1 | cut -d: -f2; }
distinct() { "$usr/bin/gbill" log cat --data "$data" | grep -o '"id":"[^"]*"' | sort -u | wc -l; }

# Nobody there: what a flush could not bring to the agent is in the spill file and arrives later.
status=0
timeout 30 "$dir/track-c" "$data/agent.sock" 100 "$dir/spill" 2>"$dir/err" || status=$?
[ "$status" = 14 ] || fail "without an agent: exit status $status: $(cat "$dir/err")"
grep -q "start gbill-agent" "$dir/err" || fail "no remedy in: $(cat "$dir/err")"
start_agent
for _ in $(seq 200); do [ -S "$data/agent.sock" ] && break; sleep 0.05; done
"$dir/track-static" "$data/agent.sock" 10 "$dir/spill"
[ "$(events)" = 110 ] || fail "$(events) events, not 110"
"$dir/track-c++" "$data/agent.sock" 1000
"$dir/track-static" "$data/agent.sock" 1000
[ "$(events)" = 2110 ] || fail "$(events) events, not 2110"

# Reserve, call, settle: the actual use counts, and nothing is held afterwards.
"$usr/bin/gbill" rollup --data "$data" >/dev/null
"$usr/bin/gbill" limits --data "$data" >/dev/null
sleep 1.1
"$dir/reserve-c" "$data/agent.sock" reserver 100000
"$dir/reserve-c++" "$data/agent.sock" reserver 60000 | grep -q '^refused: 50000 of 100000 AI credits used; ' || fail "not refused"
"$dir/reserve-c++" "$data/agent.sock" reserver 50000
[ "$(events)" = 2112 ] || fail "$(events) events, not 2112"

# Killed in the middle of it, four times: every event is there, whatever came twice has the same id.
"$dir/track-c" "$data/agent.sock" 150000 "$dir/spill" 2>"$dir/err" &
tracker=$!
for _ in 1 2 3 4; do
    sleep 0.05
    kill_agent
    sleep 0.05
    start_agent
done
wait "$tracker" || fail "the example ended with $?: $(cat "$dir/err")"
tracker=
[ "$(distinct)" = 152112 ] || fail "$(distinct) distinct events, not 152112"
kill "$agent"
wait "$agent" || fail "the agent ended with $?"
agent=
"$usr/bin/gbill" log verify --data "$data" >/dev/null || fail "log verify"
echo "library: ok"
