#!/usr/bin/env bash
# Includes run down the house only (DESIGN.md of each folder): a folder includes itself and what
# stands above it.  Usage: check_includes.sh [ROOT].  Without ROOT it first proves, on a made-up
# tree with one wrong include per rule, that it can fail.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

# Who may include whom.  gbill.c stands above all, tests beside all; store/ has an order of its own
# (files right in store/ are commands, and may include all of it).
RULES='
store: store
ingest: store ingest
rollup: store rollup
billing: store rollup billing
reports: store rollup billing reports
gbill.c: store ingest rollup billing reports
tests: store ingest rollup billing reports tests
store/base: store/base
store/event: store/base store/event
store/log: store/base store/event store/log
store/tables: store/base store/event store/log store/tables
store/postgres: store/base store/event store/log store/tables store/postgres
store/net: store/base store/net
billing/budget: store/base store/event store/tables billing/notify billing/budget
billing/notify: store/base store/event store/tables store/net billing/notify
rollup/price: rollup/price store/base store/event
billing/plan: billing/plan store/base store/tables
reports/pdf: store/base reports/pdf
<lmdb.h>: store tests
<zstd.h>: store tests
<libpq-fe.h>: store tests
<msgpack.h>: store ingest tests
<pango/pangocairo.h>: reports
<cairo-pdf.h>: reports
<microhttpd.h>: reports tests
'

check_tree() { # in the tree's root: one line per wrong include
    grep -rnE --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include' \
        gbill.c store ingest rollup billing reports tests 2>/dev/null | awk -v rules="$RULES" '
        BEGIN {
            n = split(rules, lines, "\n")
            for (i = 1; i <= n; i++) {
                if (split(lines[i], side, ": ") != 2)
                    continue
                known[side[1]] = side[2]
                m = split(side[2], words, " ")
                for (j = 1; j <= m; j++)
                    may[side[1], words[j]] = 1
            }
        }
        function room(path, depth,   part, k) { # "store/log/a.h" at depth 2 is store/log
            k = split(path, part, "/")
            return depth == 1 ? part[1] : k > 2 ? part[1] "/" part[2] : ""
        }
        {
            file = $0; sub(/:.*/, "", file)
            name = $0
            angled = match(name, /<[^>]*>/)
            if (!angled && !match(name, /"[^"]*"/))
                next
            name = substr(name, RSTART + 1, RLENGTH - 2)
            from = room(file, 1); to = room(name, 1)
            if (to in known && !(from SUBSEP to in may))
                print file ": includes " name ", but " from " may include only: " known[from]
            from2 = room(file, 2); to2 = room(name, 2)
            if (from2 in known && to2 != "" && to2 in known && !(from2 SUBSEP to2 in may))
                print file ": includes " name ", but " from2 " may include only: " known[from2]
            if (from2 in known && to == from && to2 == "")
                print file ": includes " name ", but " from2 " may include only: " known[from2]
            if (("<" name ">") in known && !(("<" name ">") SUBSEP from in may))
                print file ": includes " name ", which may only: " known["<" name ">"]
            if (name ~ /^curl\// && !(file in curl)) {
                curl[file] = 1
                curl_files = curl_files " " file
                curl_count++
            }
        }
        END {
            if (curl_count > 1)
                print "curl is behind one file, so that it can be replaced; here in:" curl_files
        }'
}

# One wrong line per rule: FILE INCLUDE.
WRONG='store/base/a.c "ingest/b.h"
store/base/a.c "store/event/b.h"
store/event/a.c "store/log/b.h"
store/log/a.c "store/tables/b.h"
store/tables/a.c "store/postgres/b.h"
store/log/a.c "store/postgres/b.h"
store/log/a.c "store/cmd.h"
store/tables/a.c "store/net/b.h"
store/net/a.c "store/event/b.h"
billing/notify/a.c "billing/budget/b.h"
billing/notify/a.c "store/postgres/b.h"
billing/budget/a.c "billing/stage.h"
rollup/price/a.c "rollup/b.h"
rollup/price/a.c "store/tables/b.h"
billing/plan/a.c "billing/b.h"
billing/plan/a.c "store/log/b.h"
ingest/a.c "rollup/b.h"
ingest/client/a.c "billing/b.h"
rollup/a.c "ingest/b.h"
rollup/a.c "billing/b.h"
rollup/a.h "reports/b.h"
billing/a.c "reports/b.h"
billing/a.c "ingest/client/b.h"
reports/a.c "ingest/b.h"
reports/pdf/a.c "reports/b.h"
reports/pdf/a.c "store/tables/b.h"
billing/a.c <pango/pangocairo.h>
store/base/a.c "tests/b.h"
gbill.c "tests/b.h"
ingest/a.c <lmdb.h>
rollup/a.c <zstd.h>
reports/a.c <libpq-fe.h>
rollup/a.c <msgpack.h>
gbill.c <lmdb.h>'
RIGHT='store/log/a.c "store/base/b.h"
store/cmd_a.c "store/log/b.h"
store/tables/a.c <lmdb.h>
ingest/client/a.c <msgpack.h>
reports/a.c "billing/b.h"
billing/a.c "rollup/b.h"
reports/a.c "reports/pdf/b.h"
reports/pdf/a.c <pango/pangocairo.h>
billing/a.c <curl/curl.h>
gbill.c "reports/b.h"
tests/store/a.c <lmdb.h>
tests/store/a.c "tests/support/b.h"'

made_up() { # ROOT: from "FILE INCLUDE" lines on stdin
    local file include
    while read -r file include; do
        mkdir -p "$1/$(dirname "$file")"
        echo "  # include $include" >>"$1/$file"
    done
}

prove_it_can_fail() {
    local dir line
    dir=$(mktemp -d)
    made_up "$dir/right" <<<"$RIGHT"
    if [ -n "$(cd "$dir/right" && check_tree)" ]; then
        echo "check_includes: complains about a right tree"
        return 1
    fi
    while read -r line; do
        made_up "$dir/wrong" <<<"$line"
        if [ -z "$(cd "$dir/wrong" && check_tree)" ]; then
            echo "check_includes: does not see: $line"
            return 1
        fi
        rm -rf "$dir/wrong"
    done <<<"$WRONG"
    printf '%s <curl/curl.h>\n' billing/a.c reports/a.c | made_up "$dir/wrong"
    if [ -z "$(cd "$dir/wrong" && check_tree)" ]; then
        echo "check_includes: does not see curl in two files"
        return 1
    fi
    rm -rf "$dir"
}

if [ $# -eq 0 ]; then
    prove_it_can_fail
fi
cd "${1:-$here/../..}"
complaints=$(check_tree)
[ -z "$complaints" ] || {
    printf '%s\n' "$complaints"
    exit 1
}
