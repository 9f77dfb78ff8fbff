#!/usr/bin/env bash
# An invoice from event to proof: final, paid, corrected on the next one, computed again from the log.
. "$(dirname "$0")/lib.sh"
begin invoices

agent_start
# Events may not lie in the future, so the clock of the invoices does.
month=$(date -u +%Y-%m) now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
next=$(date -u -d "$month-01 +1 month" +%Y-%m) after=$(date -u -d "$month-01 +2 months" +%Y-%m)
send() { cat >"$dir/events.jsonl" && "$bin/gbill" send "$dir/events.jsonl" >/dev/null && "$bin/gbill" rollup >/dev/null; }
call() {
    printf '{"kind":"usage","id":"%s","organizationId":"acme","userId":"u","type":"chat","provider":"openai","model":"gpt-4o-mini","inputTokens":%s,"outputTokens":0,"createdAt":"%s"}\n' "$1" "$2" "$now"
}
{
    printf '{"kind":"subscription","id":"s","organizationId":"acme","plan":"pro","effectiveAt":"%s-01","taxPercent":"20"}\n' "$month"
    call 1 1200000
} | send
"$bin/gbill" invoice run --now "$next-02" >/dev/null 2>&1
total() { "$bin/gbill" invoice list --org acme --json | python3 -c 'import json, sys
for row in json.load(sys.stdin): print(row["status"], row["total"], row["due"], row["paid"])'; }
# 29.00 and 200,000 credits at 25 a million, and 20 %.
same "$(total | head -1)" "final 40.80 40.80 0.00" "the month"

{
    printf '{"kind":"payment","id":"p","organizationId":"acme","invoice":"1","status":"paid","amount":4080}\n'
    call 2 100000
} | send
"$bin/gbill" invoice run --now "$next-03" >/dev/null 2>"$dir/late"
grep -q 'late after final: organization acme, 2.50 USD on the next invoice: Correction of invoice 1' "$dir/late" ||
    fail "$(cat "$dir/late")"
"$bin/gbill" invoice run --now "$after-02" >/dev/null 2>&1
same "$(total | head -2)" "paid 40.80 40.80 40.80
final 37.80 37.80 0.00" "paid, and corrected on the next"

same "$("$bin/gbill" invoice verify --org acme)" "invoice 1: the same bytes
invoice 2: the same bytes" "computed again"
same "$("$bin/gbill" invoice verify --number 2 --json | tr -d ' \n')" '[{"invoices":1,"differ":0}]' "as JSON"
"$bin/gbill" invoice show --number 2 | grep -q 'Correction of invoice 1' || fail "show --number"
same "$("$bin/gbill" plans rate --plan pro --quantity 1200000 --json | python3 -c 'import json, sys
print([row["amount"] for row in json.load(sys.stdin)])')" "['29.00', '5.00']" "plans rate"

# What other programs are given adds up to the invoices, the correction included.
"$bin/gbill" report export --what focus --issuer 'Us, Inc' -o "$dir/focus.csv" 2>"$dir/said"
grep -q 'rows of 2 invoices, as of log position' "$dir/said" || fail "$(cat "$dir/said")"
same "$(python3 - "$dir/focus.csv" <<'PYTHON'
import csv, decimal, sys
total, classes = {}, set()
for row in csv.DictReader(open(sys.argv[1], newline="")):
    total[row["InvoiceId"]] = total.get(row["InvoiceId"], 0) + decimal.Decimal(row["BilledCost"])
    classes.add(row["ChargeClass"])
    assert row["InvoiceIssuerName"] == "Us, Inc", row
print(*(f"{number} {amount}" for number, amount in sorted(total.items())), sorted(classes))
PYTHON
)" "1 40.80 2 37.80 ['', 'Correction']" "FOCUS rows"
echo "billed, paid, corrected, and computed again to the same bytes"
