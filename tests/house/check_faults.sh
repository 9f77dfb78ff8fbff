#!/usr/bin/env bash
# Every test that tests/faults/CHECKLIST.md names exists, and it has all 25 items.
set -euo pipefail
cd "$(dirname "$0")/../.."
list=tests/faults/CHECKLIST.md

# exists NAME: a file, a program of tests/faults, a fuzz target, or a function or test by that name
exists() {
    case $1 in
    ./dev*) return 0 ;;
    */*) [ -e "$1" ] ;;
    *)
        [ -e "tests/faults/$1.c" ] || [ -e "tests/fuzz/fuzz_$1.c" ] ||
            grep -rqE "^(Test\([a-z_]+, $1\)|$1\()" tests --include='*.c'
        ;;
    esac
}

! exists no_such_test || { echo "check_faults: cannot fail"; exit 1; }
missing=0
while read -r name; do
    exists "$name" || { echo "$list: there is no test \"$name\""; missing=1; }
done < <(grep -oE '`[^`]+`' "$list" | tr -d '`' | sort -u)
items=$(grep -cE '^\| [0-9]+ \|' "$list")
[ "$items" = 25 ] || { echo "$list: $items items, expected 25"; missing=1; }
exit "$missing"
