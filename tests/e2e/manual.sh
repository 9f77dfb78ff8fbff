#!/usr/bin/env bash
# The manual pages gbill(1) and gbill-agent(8) have each command and each option that --help has, and
# none besides; and they are written as mdoc wants it.
. "$(dirname "$0")/lib.sh"
begin manual
page=ingest/systemd/gbill.1
agent_page=ingest/systemd/gbill-agent.8
export LC_ALL=C.UTF-8
wrong=0
say() { echo "manual: $*"; wrong=1; }

# options_of_help < HELP, options_of_page < MDOC: "--data" ..., sorted
options_of_help() { sed -n 's/^  \(-[a-z], \)*\(--[a-z0-9-]*\).*/\2/p' | sort -u; }
options_of_page() { sed -n 's/^\.It Fl -\([a-z0-9-]*\).*/--\1/p' | sort -u; }
# section NAME < MDOC: the lines of one command
section() { awk -v want=".Ss $1" '/^\.S[sh] /{in_it = ($0 == want)} in_it'; }
commands_of_help() {
    "$bin/gbill" --help | sed -n '/^[A-Z].*:$/,/^$/s/^  \(.*\)/\1/p' |
        while read -r first second _; do
            if "$bin/gbill" "$first" "$second" --help 2>/dev/null | head -1 | grep -q "^Usage: gbill $first $second \["; then
                echo "$first $second"
            else
                echo "$first"
            fi
        done | sort
}
# differ WHAT HELP PAGE: both are lists of lines
differ() {
    local left
    left=$(comm -23 <(echo "$2") <(echo "$3") | xargs)
    [ -z "$left" ] || say "$1: --help has $left, the page has not"
    left=$(comm -13 <(echo "$2") <(echo "$3") | xargs)
    [ -z "$left" ] || say "$1: the page has $left, --help has not"
}

# What stands in "Options of every command" need not be said again.
common=$(section "Options of every command" <"$page" | options_of_page)
[ -n "$common" ] || say "$page: has no section \"Options of every command\""
commands=$(commands_of_help)
[ "$(echo "$commands" | wc -l)" -gt 40 ] || say "only these commands were found: $commands"
differ gbill "$commands" "$(sed -n 's/^\.Ss //p' "$page" | grep -v '^Options of' | sort)"
while read -r command; do
    # shellcheck disable=SC2086 # two words
    help=$("$bin/gbill" $command --help | options_of_help)
    differ "gbill $command" "$(comm -23 <(echo "$help") <(echo "$common"))" \
        "$(section "$command" <"$page" | options_of_page)"
done <<<"$commands"
differ gbill-agent "$("$bin/gbill-agent" --help | options_of_help)" "$(options_of_page <"$agent_page")"

# The check itself can fail.
[ -n "$(differ x "--new" "--old")" ] || say "a difference is not seen"

for file in "$page" "$agent_page"; do
    if command -v mandoc >/dev/null; then
        complaints=$(mandoc -T lint -W warning "$file" | grep -v 'referenced manual not found' || true)
        [ -z "$complaints" ] || say "$complaints"
    fi
    complaints=$(groff -ww -mdoc -Tutf8 -z "$file" 2>&1)
    [ -z "$complaints" ] || say "$complaints"
done
[ "$wrong" = 0 ] || exit 1
echo "each of $(echo "$commands" | wc -l) commands and all options stand in the manual"
