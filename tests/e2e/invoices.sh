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
# What Stripe tells, in the wrong order; what was told and voided was never said.
told() { printf '{"kind":"stripe","id":"%s","organizationId":"%s","type":"%s","object":{%s}}\n' "$@"; }
state() { "$bin/gbill" invoice run --now "$after-03" >/dev/null 2>&1; total | sed -n 2p; }
{
    told evt_3 - charge.dispute.created '"id":"dp_1","payment_intent":"pi_2","status":"needs_response","amount":3780'
    told evt_2 - invoice_payment.paid '"id":"inpay_2","invoice":"in_2","payment_intent":"pi_2","status":"paid","amount_paid":3780'
    told evt_1 acme invoice.paid '"id":"in_2","gbill_invoice":"2","currency":"usd","status":"paid","amount_paid":3780'
    told evt_1 acme invoice.paid '"id":"in_2","gbill_invoice":"2","currency":"usd","status":"paid","amount_paid":3780'
} | send
same "$(state)" "disputed 37.80 37.80 0.00" "a dispute is open"
printf '{"kind":"void","id":"v","organizationId":"-","voids":"evt_3","at":"%s"}\n' "$now" | send
same "$(state)" "paid 37.80 37.80 37.80" "it never was"
told evt_4 acme invoice.voided '"id":"in_2","gbill_invoice":"2","status":"void"' | send
"$bin/gbill" invoice run --now "$after-03" >/dev/null 2>"$dir/said"
grep -q "Stripe's invoice in_2 (of invoice \"2\") is void, but was paid" "$dir/said" || fail "$(cat "$dir/said")"
"$bin/gbill" rollup --rebuild >/dev/null
same "$(state)" "paid 37.80 37.80 37.80" "folded again"
"$bin/gbill" audit --log >"$dir/said" || fail "audit: $(cat "$dir/said")"
same "$("$bin/gbill" invoice verify --org acme)" "invoice 1: the same bytes
invoice 2: the same bytes" "computed again after Stripe"
echo "billed, paid, disputed, corrected, and computed again to the same bytes"
