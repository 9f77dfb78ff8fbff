#!/usr/bin/python3
"""Holds gbill's invoices against stripe_server.py's account, to the cent; of what there is by gbill_key, each once.

Usage: stripe_agree.py PORT INVOICES LINES [--but NUMBER...]

INVOICES: gbill invoice list --json; LINES: a folder with NUMBER.json of gbill invoice show --json.  For each invoice
with a number: Stripe has one invoice (or credit note) of it, with its total and its lines in their order; what is due
there is due here; what was paid there, less refunds and less disputes that are open or lost, is paid here.  What
each customer has left of credit is the same.  Stripe has no invoice with a total that gbill did not ask for.
--but: numbers that need not be at Stripe.
"""
import collections
import json
import sys
import urllib.request

port, invoices_path, lines_path = sys.argv[1:4]
without = {int(n) for n in sys.argv[5:]}
problems = []


def cents(text):
    whole, _, part = text.lstrip("-").partition(".")
    return (-1 if text.startswith("-") else 1) * (int(whole) * 100 + int(part.ljust(2, "0")))


def check(good, *words):
    if not good:
        problems.append(" ".join(map(str, words)))


with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/admin/state", b"{}")) as answer:
    state = json.load(answer)
by_id = {o["id"]: o for held in state.values() for o in held}

by_key = collections.defaultdict(list)
for kind in ("product", "price", "customer", "subscription", "invoice", "invoiceitem", "credit_note"):
    for obj in state[kind]:
        if "gbill_key" in obj["metadata"] and not (kind == "subscription" and obj["status"] == "canceled"):
            by_key[obj["metadata"]["gbill_key"]].append(obj)
for key, made in by_key.items():
    check(len(made) == 1, key, "is there", len(made), "times:", [o["id"] for o in made])
for obj in state["invoice"]:
    check("gbill_key" in obj["metadata"] or obj["total"] == 0, "Stripe bills", obj["total"], "by itself:", obj["id"])


def paid_there(invoice):
    """What the customer has paid and not got back."""
    total = invoice.get("amount_paid_off_stripe", 0)
    for payment in state["invoice_payment"]:
        if payment["invoice"] != invoice["id"] or payment["status"] != "paid":
            continue
        intent = payment["payment"]["payment_intent"]
        total += payment["amount_paid"]
        total -= sum(r["amount"] for r in state["refund"] if r["payment_intent"] == intent and r["status"] not in ("failed", "canceled"))
        total -= sum(d["amount"] for d in state["dispute"] if d["payment_intent"] == intent and d["status"] in ("needs_response", "under_review", "lost"))
    return total


rows, seen, credit = json.load(open(invoices_path)), 0, collections.Counter()
for row in rows:
    number = row["number"]
    if number is None or number in without:
        continue
    total, due = cents(row["total"]), cents(row["due"])
    ours = [(cents(n["amount"]), n["description"]) for n in json.load(open(f"{lines_path}/{number}.json"))["lines"]]
    credit[row["organization"]] += (total - due) if total > 0 else total
    found = by_key.get(f"invoice/{number}", []) + by_key.get(f"credit/{number}", [])
    if row["status"] == "void":
        check(not found or found[0]["status"] == "void", "invoice", number, "is void here, there", found and found[0]["status"])
        continue
    check(len(found) == 1 or (total == 0 and not found), "invoice", number, "is at Stripe", len(found), "times")
    if len(found) != 1:
        continue
    there, seen = found[0], seen + 1
    sign = -1 if there["object"] == "credit_note" else 1
    theirs = [(sign * n["amount"], n["description"]) for n in there["lines"]["data"]]
    if sign == -1:
        ours = [n for n in ours if n[0]]
    check(theirs == ours, "invoice", number, "has the lines", ours, "there", theirs)
    check(sign * there["total"] == total, "invoice", number, "is of", total, "there of", there["total"])
    if sign == 1 and total >= 0:
        left = there["post_payment_credit_notes_amount"]
        check(there["amount_due"] == due, "invoice", number, "has due", due, "there", there["amount_due"], "credited", left)
        check(paid_there(there) == cents(row["paid"]), "invoice", number, "has paid", row["paid"], "there", paid_there(there))
        check(there["status"] != "paid" or row["status"] in ("paid", "disputed") or due == 0 or paid_there(there) < due, "invoice", number, "is paid there, here", row["status"])
for org, balance in credit.items():
    for customer in by_key.get("customer/" + org, []):
        check(customer["balance"] == balance, org, "has credit", balance, "there", customer["balance"])

for problem in problems:
    print(problem)
print(f"{seen} invoices agree" if not problems else f"{len(problems)} differences")
sys.exit(1 if problems or seen == 0 else 0)
