#!/usr/bin/env bash
# Invoices on paper: what pdftotext reads back is what gbill invoice show says, line by line; names
# in any script; pages; the same bytes again; nothing half written.  KEEP=DIR keeps the PDFs.
. "$(dirname "$0")/lib.sh"
begin pdf
at_end() { if [ -n "${KEEP:-}" ]; then mkdir -p "$KEEP" && cp "$dir"/*.pdf "$KEEP"; fi; }

# Only what ./dev installs, whatever else this machine has.
cat >"$dir/fonts.conf" <<XML
<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>/usr/share/fonts/truetype/dejavu</dir><cachedir>$dir/cache</cachedir></fontconfig>
XML
export FONTCONFIG_FILE=${FONTS:-$dir/fonts.conf}

agent_start
# Events may not lie in the future, so the clock of the invoices does.
month=$(date -u +%Y-%m) now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
next=$(date -u -d "$month-01 +1 month" +%Y-%m) after=$(date -u -d "$month-01 +2 months" +%Y-%m)
arabic="شركة النور للبرمجيات" chinese="北京云计算有限公司" wide=$(printf 'W%.0s' $(seq 64))

python3 - "$month" "$now" "$arabic" "$chinese" "$wide" >"$dir/events.jsonl" <<'PY'
import json, sys
month, now, arabic, chinese, wide = sys.argv[1:]
count = 0
def emit(kind, organization, **fields):
    global count
    count += 1
    print(json.dumps({"kind": kind, "id": f"e{count}", "organizationId": organization, **fields}, ensure_ascii=False))
def subscribe(organization, plan, currency=None, tax="20"):
    emit("subscription", organization, plan=plan, effectiveAt=month + "-01", taxPercent=tax,
         **({"currency": currency} if currency else {}))
def adjust(organization, amount, reason, currency="USD"):
    emit("adjustment", organization, amount=amount, currency=currency, reason=reason)
def call(organization, tokens):
    emit("usage", organization, userId="u", type="chat", provider="openai", model="gpt-4o-mini",
         inputTokens=tokens, outputTokens=0, createdAt=now)
subscribe("acme", "pro")
call("acme", 1200000)
subscribe("many", "enterprise")
for n in range(200):
    adjust("many", 1000 + n, f"Seat {n + 1} of the annual workshop" + (", with materials and a certificate, as ordered by telephone" if n % 7 == 0 else ""))
for rows in range(14, 19): # about as many as the first page holds, with the totals and without
    subscribe(f"edge{rows}", "pro")
    for n in range(rows):
        adjust(f"edge{rows}", 1000 + n, f"Seat {n + 1}")
subscribe("refund", "pro")
adjust("refund", -500000, "service level not met in September")
subscribe("tokyo", "team", "JPY", "10")
call("tokyo", 7000000)
subscribe("kuwait", "team", "KWD", "0")
for name in (arabic, chinese, wide, "Łódź & Søn – Ἀθῆναι, Київ", "party 🎉 office"):
    subscribe(name, "pro")
    adjust(name, 12345678, f"Work for {name}")
subscribe("shut", "pro")
PY
sed 's/"default": "starter",/"default": "starter", "rates": [{"currency":"JPY","from":"2026-01-01","rate":"155.5"},{"currency":"KWD","from":"2026-01-01","rate":"0.3071"}],/' \
    schemas/plans.json >"$dir/plans.json"
export GBILL_PLANS=$dir/plans.json
gbill send "$dir/events.jsonl" >/dev/null
gbill rollup >/dev/null
gbill invoice run --now "$now" >/dev/null 2>&1

cat >"$dir/parties.json" <<JSON
{"format": "gbill-parties/1",
 "seller": {"name": "Granted AI GmbH", "address": ["Lindenstraße 12", "10969 Berlin", "Germany"],
            "taxId": "DE 123 456 789", "email": "billing@granted.example", "web": "https://granted.example/billing"},
 "paymentDays": 14, "paymentTerms": "Please pay within 14 days, naming the invoice's number.",
 "footer": "Granted AI GmbH · Amtsgericht Charlottenburg HRB 12345 B · IBAN DE02 1203 0000 0000 2020 51 · BIC BYLADEM1001",
 "customers": {
  "acme": {"name": "Acme Incorporated", "address": ["1 Main Street", "Springfield, IL 62701", "USA"], "taxId": "US 12-3456789", "reference": "PO 4711"},
  "tokyo": {"name": "東京ソフトウェア株式会社", "address": ["東京都千代田区丸の内一丁目1番1号"]},
  "$arabic": {"name": "$arabic", "address": ["شارع الملك فهد 7", "الرياض"]}}}
JSON
export GBILL_PARTIES=$dir/parties.json

show() { gbill invoice show --json "$@" >"$dir/invoice.json"; }
# page NAME PAGES OPTION...: make it, and hold it against what show says of it
page() {
    local name=$1 pages=$2
    shift 2
    gbill invoice pdf "$@" -o "$dir/$name.pdf" 2>"$dir/$name.err" || fail "$name: $(cat "$dir/$name.err")"
    show "$@"
    python3 tests/support/invoice_pdf.py "$dir/$name.pdf" "$dir/invoice.json" $pages || fail "$name"
    pdftotext -layout "$dir/$name.pdf" "$dir/$name.txt"
}
# says NAME TEXT: the page has it, wherever its rows break
says() { tr -d '\n\f ' <"$dir/$1.txt" | grep -qF -- "${2// /}" || fail "$1.pdf does not say \"$2\": $(cat "$dir/$1.txt")"; }

page draft 1 --org acme
says draft 'Invoice (draft)'
says draft 'Nothing on it is to be paid yet'
gbill invoice run --now "$next-02" >/dev/null 2>&1

page acme 1 --org acme --month "$month"
for text in 'Granted AI GmbH' 'Lindenstraße 12' 'Tax id DE 123 456 789' 'Billed to' 'Acme Incorporated' 'PO 4711' \
    "Period (UTC)  $month-01 to $next-01" "Due  $next-16" 'Subtotal 34.00' 'Tax, 20 % of 34.00 6.80' 'Total 40.80' \
    'Amount due (USD) 40.80' 'AI credits beyond the 1,000,000' '200,000 0.000025 5.00' 'HRB 12345 B' \
    'the model providers charged 0.180000 USD' 'Please pay within 14 days'; do
    says acme "$text"
done
[ ! -s "$dir/acme.err" ] || fail "$(cat "$dir/acme.err")"
pdfinfo "$dir/acme.pdf" >"$dir/info"
for want in "^Title: *Invoice [0-9]*$" "^Author: *Granted AI GmbH$" "^Page size: .*A4" "^Pages: *1$"; do
    grep -q "$want" "$dir/info" || fail "pdfinfo has no $want: $(cat "$dir/info")"
done

pdfinfo -struct-text "$dir/acme.pdf" | tr -d '\n ' >"$dir/structure"
grep -q 'TRTD"Proplan,[0-9-]*"TD""TD""TD"29.00"TRTD"AIcredits' "$dir/structure" || fail "no structure: $(cat "$dir/structure")"

page many "" --org many --month "$month"
[ "$(pdfinfo "$dir/many.pdf" | sed -n 's/^Pages: *//p')" -ge 5 ] || fail "200 lines on less than 5 pages"
heads=$(grep -c 'Description .*Amount (USD)' "$dir/many.txt")
rows=$(pdftotext -layout "$dir/many.pdf" - | awk 'BEGIN { RS = "\f" } /Charge: Seat/ { n++ } END { print n }')
[ "$heads" = "$rows" ] || fail "the table's head stands on $heads of $rows pages"
# together NAME: all of the totals, with at least one line of the table above them
together() {
    pdftotext -layout "$dir/$1.pdf" - | awk 'BEGIN { RS = "\f" }
        /Subtotal.*Tax, 20.*Total.*Amount due/ && /Description.*\n(Charge: Seat|[A-Z][a-z]* plan)/ { ok = 1 } END { exit !ok }' ||
        fail "$1.pdf: the totals are not together, below a line of the table"
}
together many
for rows in $(seq 14 18); do
    page "edge$rows" "" --org "edge$rows" --month "$month"
    together "edge$rows"
done

page refund 1 --org refund --month "$month"
says refund 'Credit note'
says refund 'Total (USD) -5,965.20'
page tokyo 1 --org tokyo --month "$month"
says tokyo 'Amount (JPY)'
says tokyo 'charged 1.050000 USD'
says tokyo 'AI credits beyond the 5,000,000 of the Team plan, '"$month"' 2,000,000 6,220'
page kuwait 1 --org kuwait --month "$month"
says kuwait 'Amount due (KWD) 30.403'
page wide 1 --org "$wide" --month "$month"
page greek 1 --org "Łódź & Søn – Ἀθῆναι, Київ" --month "$month"
says greek 'Łódź & Søn – Ἀθῆναι, Київ'
# Right to left: the words are there, whichever way the reader lists them.
gbill invoice pdf --org "$arabic" --month "$month" -o "$dir/arabic.pdf"
pdftotext "$dir/arabic.pdf" - | python3 -c 'import sys, unicodedata
text = unicodedata.normalize("NFKC", sys.stdin.read())
for word in sys.argv[1].split():
    assert word in text or word[::-1] in text, (word, text)' "$arabic" || fail "Arabic"

gbill invoice pdf --org "party 🎉 office" --month "$month" -o "$dir/party.pdf" 2>"$dir/party.err"

# Without a font for it: said, with what helps, and written all the same.
gbill invoice pdf --org "$chinese" --month "$month" -o "$dir/chinese.pdf" 2>"$dir/err"
if [ -z "${FONTS:-}" ]; then
    [ "$(wc -l <"$dir/err")" = 1 ] || fail "$(cat "$dir/err")"
    grep -q 'no installed font has 北 (U+5317), 京 (U+4EAC).* and others; .*apt-get install fonts-noto-cjk$' "$dir/err" || fail "$(cat "$dir/err")"
    grep -q 'no installed font has 🎉 (U+1F389); .*apt-get install fonts-noto-color-emoji$' "$dir/party.err" || fail "$(cat "$dir/party.err")"
    pdfinfo "$dir/chinese.pdf" >/dev/null || fail "no PDF without fonts"
    printf '<fontconfig><dir>%s/none</dir></fontconfig>' "$dir" >"$dir/none.conf"
    status=0
    FONTCONFIG_FILE=$dir/none.conf gbill invoice pdf --org acme -o "$dir/none.pdf" 2>"$dir/err" || status=$?
    [ "$status" = 6 ] && grep -q 'no font is installed; apt-get install fonts-dejavu-core' "$dir/err" && [ ! -e "$dir/none.pdf" ] ||
        fail "no font: $status, $(cat "$dir/err")"
fi

# The same bytes: again, at another time, in another zone and language, to standard output.
for name in acme many tokyo; do
    TZ=Asia/Tokyo LC_ALL=C.UTF-8 LANG=ja_JP SOURCE_DATE_EPOCH=1 gbill invoice pdf --org $name --month "$month" -o - 2>/dev/null |
        cmp - "$dir/$name.pdf" || fail "$name: other bytes the second time"
done

# What payments say.
number=$(pdfinfo "$dir/acme.pdf" | sed -n 's/^Title: *Invoice //p')
shut=$(gbill invoice list --org shut --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["number"])')
printf '{"kind":"payment","id":"p%s","organizationId":"%s","invoice":"%s","status":"%s","amount":%s}\n' \
    1 acme "$number" paid 1000  2 shut "$shut" void 0 >"$dir/events.jsonl"
gbill send "$dir/events.jsonl" >/dev/null
gbill rollup >/dev/null
gbill invoice run --now "$after-02" >/dev/null 2>&1
page part 1 --number "$number"
says part 'PARTIALLY PAID'
says part 'Paid -10.00 Amount due (USD) 30.80'
page void 1 --number "$shut"
says void 'nothing on it is owed'
says void 'Amount due (USD) 0.00'
page credit 1 --org refund --month "$next"
says credit 'From credit notes -34.80 Amount due (USD) 0.00'

# Nothing half written.
pdf() { gbill invoice pdf --number "$number" "$@"; }
expect 2 'needs -o FILE' pdf
expect 2 'option -o needs a value' pdf -o
expect 2 'no regular file' pdf -o /dev/full
expect 10 'standard output' sh -c "gbill invoice pdf --number $number -o - >/dev/full"
expect 6 "name another place with -o.*$dir/nowhere/a.pdf" pdf -o "$dir/nowhere/a.pdf"
expect 6 'no such invoice' gbill invoice pdf --number 99999 -o "$dir/a.pdf"
expect 6 'parties.none' pdf --parties "$dir/parties.none" -o "$dir/a.pdf"
printf '{"format":"gbill-parties/1","seler":{}}' >"$dir/wrong.json"
expect 3 'wrong.json.*seler' pdf --parties "$dir/wrong.json" -o "$dir/a.pdf"
# Only drawing needs the module beside the program.
cp "$bin/gbill" "$dir/gbill"
expect 6 'cannot load what draws PDFs: .*gbill-pdf.so' "$dir/gbill" invoice pdf --number "$number" -o "$dir/a.pdf"
one_line
[ -z "$(ls "$dir" | grep -E '^a\.pdf|\.new$')" ] || fail "left behind: $(ls "$dir")"
cp "$dir/acme.pdf" "$dir/old.pdf"
# A full disk: a file may have 8 KiB here.
expect 11 'no PDF was written .*old.pdf' bash -c "trap '' XFSZ; ulimit -f 8; exec gbill invoice pdf --number $number -o '$dir/old.pdf'"
cmp -s "$dir/acme.pdf" "$dir/old.pdf" && [ ! -e "$dir/old.pdf.new" ] || fail "the old file is not what it was"

# Who is not in the file of parties, and without the file: ids, and no seller.
(unset GBILL_PARTIES; gbill invoice pdf --number "$number" -o "$dir/bare.pdf")
pdftotext "$dir/bare.pdf" - >"$dir/bare.txt"
grep -q '^acme$' "$dir/bare.txt" || fail "no id: $(cat "$dir/bare.txt")"
! grep -q 'Granted\|Due\|Tax id' "$dir/bare.txt" || fail "invented: $(cat "$dir/bare.txt")"
echo "drawn, read back, and drawn again to the same bytes"
