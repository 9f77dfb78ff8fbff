"""Hold a PDF against the invoice it was made of: invoice_pdf.py PDF JSON [PAGES].

The text is what pdftotext reads back, the invoice what gbill invoice show --json says.
Every amount must stand behind its line's words, as money with commas between thousands.
"""
import json
import re
import subprocess
import sys


def shown(decimal):
    """1234567.5 as the page has it."""
    whole, point, rest = decimal.partition(".")
    sign = "-" if whole.startswith("-") else ""
    return sign + f"{int(whole.lstrip('-')):,}" + point + rest


def squeezed(text):
    """Without blanks and breaks: where a name wraps is the page's affair."""
    return re.sub(r"\s+", "", text)


def is_row_of(row, line):
    """Does this row of text begin with the line's words, and end with its amount?"""
    cells = re.split(r"\s{2,}", row)
    words = squeezed(cells[0])
    return (len(cells) > 1 and cells[-1] == shown(line["amount"]) and len(words) >= 10 and
            squeezed(line["description"]).startswith(words))


def main():
    pdf, invoice = sys.argv[1], json.load(open(sys.argv[2]))
    info = subprocess.run(["pdfinfo", pdf], capture_output=True, text=True, check=True).stdout
    pages = int(re.search(r"^Pages:\s+(\d+)", info, re.M).group(1))
    if len(sys.argv) > 3 and pages != int(sys.argv[3]):
        sys.exit(f"{pdf}: {pages} pages, expected {sys.argv[3]}")
    text = subprocess.run(["pdftotext", "-layout", pdf, "-"], capture_output=True, text=True,
                          check=True).stdout
    sheets = text.rstrip("\f").split("\f")
    for number, sheet in enumerate(sheets, 1):
        if f"Page {number} of {pages}" not in sheet:
            sys.exit(f"{pdf}: page {number} does not say so")
        if invoice["status"] == "draft" and "(draft)" not in sheet:
            sys.exit(f"{pdf}: page {number} does not say that it is a draft")
    whole = squeezed(text)
    rows = [row.strip() for row in text.split("\n")]
    at = 0
    ordered = sorted(invoice["lines"], key=lambda line: line["kind"] == "tax")
    for line in ordered:
        while at < len(rows) and not is_row_of(rows[at], line):
            at += 1
        if at == len(rows):
            sys.exit(f"{pdf}: {line['description']!r} with {shown(line['amount'])} is missing, or "
                     "not in its place")
        at += 1
        if squeezed(line["description"])[-6:] not in whole:
            sys.exit(f"{pdf}: {line['description']!r} is cut")
    below = squeezed("".join(rows[at:]))
    draft, credit_note = invoice["status"] == "draft", invoice["total"].startswith("-")
    total = f"({invoice['currency']})" if credit_note else ""
    if "Total" + total + shown(invoice["total"]) not in below:
        sys.exit(f"{pdf}: no total of {shown(invoice['total'])}")
    if not credit_note and float(invoice["paid"]) == 0 and invoice["status"] != "void":
        due = f"Amount{'sofar' if draft else 'due'}({invoice['currency']}){shown(invoice['due'])}"
        if due not in below:
            sys.exit(f"{pdf}: no {due}")
    for key in ("chain", "priceBook", "planBook"):
        if invoice[key][:12] not in whole:
            sys.exit(f"{pdf}: does not name its {key}")
    if invoice["number"] and f"gbillinvoiceverify--number{invoice['number']}" not in whole:
        sys.exit(f"{pdf}: does not say how to verify it")


main()
