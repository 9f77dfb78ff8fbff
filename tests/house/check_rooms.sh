#!/usr/bin/env bash
# The house rules a grep can hold: room sizes, words of unfinished work, a DESIGN.md in each folder,
# no floating point where money is.  Usage: check_rooms.sh [ROOT]; without ROOT it first proves on
# made-up trees that each rule can fail.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

FOLDERS="store/base store/event store/log store/tables store/postgres store/net ingest ingest/board ingest/client
    ingest/live rollup billing billing/budget billing/notify billing/chargeback reports reports/pdf reports/dashboard
    reports/api"
# Spelled in two halves, so that this file does not trip over itself.
UNFINISHED='TO''DO|FIX''ME|XX''X|HA''CK|not imple''mented|for n''ow|place''holder|stu''b(bed)?'

# Not all of these are in every tree: that is no failure.
sources() {
    find gbill.c store ingest rollup billing reports tests schemas dev .ci -type f \
        \( -name '*.[ch]' -o -name '*.sh' -o -name '*.py' -o -name '*.js' -o -name '*.sql' \
        -o -name '*.cmake' -o -name dev -o -name run \) -not -path '*/node_modules/*' 2>/dev/null ||
        true
}

check_sizes() {
    { sources | grep '\.[ch]$' || true; } | while IFS= read -r file; do
        local limit=800
        [[ $file == *.h ]] && limit=250
        local lines
        lines=$(wc -l <"$file")
        [ "$lines" -le "$limit" ] || echo "$file: $lines lines, limit is $limit: split it by noun"
    done
}

check_words() {
    sources | xargs -r grep -nwiE "$UNFINISHED" | sed 's/^/unfinished work: /' || true
}

check_designs() {
    local folder
    for folder in $FOLDERS; do
        ls "$folder"/*.c >/dev/null 2>&1 || continue
        [ -s "$folder/DESIGN.md" ] || echo "$folder: has no DESIGN.md"
    done
    for folder in schemas tests; do
        [ ! -d $folder ] || [ -s $folder/DESIGN.md ] || echo "$folder: has no DESIGN.md"
    done
}

# Comments and texts may say the words; code may not use the types.
check_floats() {
    { find rollup billing -name '*.[ch]' 2>/dev/null || true; } | while IFS= read -r file; do
        if gcc -fpreprocessed -dD -E -P "$file" 2>/dev/null | sed 's/"[^"]*"//g' |
            grep -qwE 'double|float'; then
            echo "$file: uses floating point; money is integers"
        fi
    done
}

check_all() {
    check_sizes
    check_words
    check_designs
    check_floats
}

# NAME COMMAND...: the command breaks one rule in an otherwise good tree.
expect_failure() {
    local name=$1 dir
    shift
    dir=$(mktemp -d)
    mkdir -p "$dir/rollup" "$dir/tests"
    echo 'int x; /* a double-edged comment about a float */ char *y = "double";' >"$dir/rollup/a.c"
    echo design | tee "$dir/tests/DESIGN.md" >"$dir/rollup/DESIGN.md"
    "$here/check_rooms.sh" "$dir" || {
        echo "check_rooms: complains about a good tree"
        rm -rf "$dir"
        return 1
    }
    (cd "$dir" && "$@")
    if "$here/check_rooms.sh" "$dir" >/dev/null; then
        echo "check_rooms: does not see: $name"
        rm -rf "$dir"
        return 1
    fi
    rm -rf "$dir"
}

prove_it_can_fail() {
    expect_failure "a long file" bash -c 'seq 801 | sed "s/.*/;/" > rollup/long.c'
    expect_failure "a long header" bash -c 'seq 251 | sed "s/.*/;/" > rollup/long.h'
    expect_failure "unfinished work" bash -c "echo '/* to''do: more */' > rollup/b.c"
    expect_failure "a folder without DESIGN.md" rm rollup/DESIGN.md
    expect_failure "tests without DESIGN.md" rm tests/DESIGN.md
    expect_failure "floating point" bash -c 'echo "static double rate;" > rollup/b.h'
    expect_failure "a cast" bash -c 'echo "int f(int a) { return (int)((float)a * 2); }" > rollup/b.c'
}

if [ $# -eq 0 ]; then
    prove_it_can_fail
fi
cd "${1:-$here/../..}"
complaints=$(check_all)
[ -z "$complaints" ] || {
    printf '%s\n' "$complaints"
    exit 1
}
