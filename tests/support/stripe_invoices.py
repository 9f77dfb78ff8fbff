"""Invoices, their items, payments, credit notes, refunds and disputes, as Stripe leads them; for stripe_server.py.

An invoice is draft, then open, paid, void or uncollectible.  When it is finalized, the customer's balance
(negative: credit) is taken off it: due = total + balance, if that is positive and not under the least amount that
can be charged; what is left of the balance stays.  So an invoice with a negative total, or with nothing due, is
paid at once, and what it credits is found in the balance.  A credit note first lowers what is not paid yet; the
rest goes to the balance, to a refund or out of band, and these three must add up.
"""
from stripe_form import Refusal
from stripe_objects import fill, merge_metadata, one_currency, route

LINES_MAX = 250
CHARGE_MAX = 99999999


def due_of(account, total, balance):
    """(amount due, the balance that is left) of a total under a balance."""
    net = total + balance
    if total <= 0 or net <= 0 or net < account.settings["minimum"]:
        return 0, net
    return net, 0


def total_up(account, invoice):
    """A draft's amounts, from its lines and the customer's balance as it is now."""
    total = sum(line["amount"] for line in invoice["_lines"])
    balance = account.get("customer", invoice["customer"])["balance"]
    due, _ = due_of(account, total, balance)
    invoice.update(total=total, subtotal=total, total_excluding_tax=total, subtotal_excluding_tax=total,
                   amount_due=due, amount_remaining=due, starting_balance=balance)


def draft_only(invoice):
    if invoice["status"] != "draft":
        raise Refusal(400, f"this invoice is {invoice['status']} and can no longer be edited", "invoice_not_editable", "invoice")


def check_terms(method, p):
    """days_until_due and due_date are for invoices that are sent, and such a one needs either."""
    terms = [name for name in ("days_until_due", "due_date") if p.get(name) is not None]
    if method == "charge_automatically" and terms:
        raise Refusal(400, f"{terms[0]} can only be given with collection_method=send_invoice", param=terms[0])
    if method == "send_invoice" and len(terms) != 1:
        raise Refusal(400, "collection_method=send_invoice needs days_until_due or due_date", "parameter_missing", "days_until_due")


def invoice_new(account, customer, currency, **fields):
    now = account.now()
    one_currency(account, customer, currency)
    invoice = account.new(
        "invoice", account_country="US", account_name="The Double", account_tax_ids=None, amount_due=0, amount_overpaid=0,
        amount_paid=0, amount_remaining=0, amount_shipping=0, application=None, attempt_count=0, attempted=False,
        auto_advance=False, automatic_tax={"enabled": False, "liability": None, "provider": None, "status": None, "disabled_reason": None},
        automatically_finalizes_at=None, billing_reason="manual", collection_method="charge_automatically", created=now,
        currency=currency, custom_fields=None, customer=customer["id"], customer_account=None, customer_address=None,
        customer_email=customer["email"], customer_name=customer["name"], customer_phone=None, customer_shipping=None,
        customer_tax_exempt="none", customer_tax_ids=[], default_payment_method=None, default_source=None, default_tax_rates=[],
        description=None, discounts=[], due_date=None, effective_at=None, ending_balance=None, footer=None, from_invoice=None,
        hosted_invoice_url=None, invoice_pdf=None, issuer={"type": "self"}, last_finalization_error=None, latest_revision=None,
        metadata={}, next_payment_attempt=None, number=None, on_behalf_of=None, parent=None,
        payment_settings={"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        period_end=now, period_start=now, post_payment_credit_notes_amount=0, pre_payment_credit_notes_amount=0,
        receipt_number=None, rendering=None, shipping_cost=None, shipping_details=None, starting_balance=customer["balance"],
        statement_descriptor=None, status="draft",
        status_transitions={"finalized_at": None, "marked_uncollectible_at": None, "paid_at": None, "voided_at": None},
        subtotal=0, subtotal_excluding_tax=0, test_clock=None, total=0, total_discount_amounts=[], total_excluding_tax=0,
        total_pretax_credit_amounts=[], total_taxes=[], webhooks_delivered_at=None, _lines=[], _days=None)
    invoice.update(fields)
    return invoice


def line_add(account, invoice, amount, description, period, metadata, parent, quantity=1, pricing=None):
    if len(invoice["_lines"]) >= LINES_MAX:
        raise Refusal(400, f"an invoice has at most {LINES_MAX} lines", "invoice_too_many_line_items", "invoice")
    line = account.new("line_item", amount=amount, currency=invoice["currency"], description=description, discount_amounts=[],
                       discountable=False, discounts=[], invoice=invoice["id"], metadata=dict(metadata), parent=parent, period=period,
                       pretax_credit_amounts=[], pricing=pricing, quantity=quantity, quantity_decimal=str(quantity), subscription=None,
                       subtotal=amount, taxes=[])
    invoice["_lines"].append(line)
    total_up(account, invoice)
    return line


@route("POST /v1/invoices")
def invoice_create(account, ids, p):
    if "customer" not in p:
        raise Refusal(400, "Missing required param: customer", "parameter_missing", "customer")
    customer = account.get("customer", p["customer"], "customer")
    method = p.get("collection_method", "charge_automatically")
    check_terms(method, p)
    if method == "send_invoice" and not customer["email"]:
        raise Refusal(400, "an invoice that is sent needs the customer's email", param="customer")
    invoice = invoice_new(account, customer, p.get("currency", customer["currency"] or "usd"), collection_method=method)
    fill(invoice, p, "auto_advance", "description", "footer", "effective_at", "number", "due_date", "default_payment_method")
    invoice["_days"] = p.get("days_until_due")
    if p.get("pending_invoice_items_behavior") == "include":
        for item in [i for i in account.of("invoiceitem", customer=customer["id"], invoice=None) if i["currency"] == invoice["currency"]]:
            item_attach(account, item, invoice)
    total_up(account, invoice)
    account.emit("invoice.created", invoice)
    return invoice


@route("POST /v1/invoices/{invoice}")
def invoice_update(account, ids, p):
    invoice = account.get("invoice", ids[0])
    if set(p) - {"metadata", "expand", "auto_advance", "default_payment_method"}:
        draft_only(invoice)
    before = account.view(invoice)
    fill(invoice, p, "auto_advance", "description", "footer", "effective_at", "number", "due_date", "default_payment_method",
         "collection_method")
    account.emit("invoice.updated", invoice, before)
    return invoice


@route("DELETE /v1/invoices/{invoice}")
def invoice_delete(account, ids, p):
    invoice = account.get("invoice", ids[0])
    draft_only(invoice)
    del account.objects["invoice"][invoice["id"]]
    for item in account.of("invoiceitem", invoice=invoice["id"]):
        del account.objects["invoiceitem"][item["id"]]
    account.emit("invoice.deleted", invoice)
    return {"id": invoice["id"], "object": "invoice", "deleted": True}


@route("GET /v1/invoices")
def invoice_list(account, ids, p):
    found = account.of("invoice", **{k: p[k] for k in ("customer", "status", "collection_method") if k in p})
    if "subscription" in p:
        found = [i for i in found if i["parent"] and i["parent"]["subscription_details"]["subscription"] == p["subscription"]]
    return account.listed(found, p, "/v1/invoices")


@route("GET /v1/invoices/{invoice}/lines")
def invoice_lines(account, ids, p):
    return account.listed(account.get("invoice", ids[0])["_lines"], p, f"/v1/invoices/{ids[0]}/lines")


@route("POST /v1/invoiceitems")
def item_create(account, ids, p):
    invoice = account.get("invoice", p["invoice"], "invoice") if "invoice" in p else None
    if "customer" not in p and invoice is None:
        raise Refusal(400, "Missing required param: customer", "parameter_missing", "customer")
    customer = account.get("customer", p.get("customer", invoice and invoice["customer"]), "customer")
    if "amount" not in p:
        raise Refusal(400, "the double knows items by amount only", "parameter_missing", "amount")
    for name in ("quantity", "unit_amount_decimal", "pricing"):
        if name in p:
            raise Refusal(400, f"{name} cannot be given together with amount", param=name)
    currency = p.get("currency") or (invoice or customer)["currency"]
    if currency is None:
        raise Refusal(400, "Missing required param: currency", "parameter_missing", "currency")
    if invoice is not None:
        draft_only(invoice)
        if invoice["customer"] != customer["id"]:
            raise Refusal(400, "the invoice is another customer's", param="invoice")
        if invoice["currency"] != currency:
            raise Refusal(400, f"the invoice is in {invoice['currency']}, not in {currency}", param="currency")
    one_currency(account, customer, currency)
    now = account.now()
    period = p.get("period", {"start": now, "end": now})
    if period["end"] < period["start"]:
        raise Refusal(400, "the period ends before it begins", param="period[end]")
    item = account.new("invoiceitem", amount=p["amount"], currency=currency, customer=customer["id"], customer_account=None, date=now,
                       description=p.get("description"), discountable=False, discounts=[], invoice=None, metadata={},
                       net_amount=p["amount"], parent=None, period=period, pricing=None, proration=False, quantity=1,
                       quantity_decimal="1", tax_rates=[], test_clock=None)
    merge_metadata(item, p)
    if invoice is not None:
        item_attach(account, item, invoice)
    account.emit("invoiceitem.created", item)
    return item


def item_attach(account, item, invoice):
    before = account.view(invoice)
    try:
        line_add(account, invoice, item["amount"], item["description"], item["period"], item["metadata"],
                 {"type": "invoice_item_details", "subscription_item_details": None,
                  "invoice_item_details": {"invoice_item": item["id"], "proration": False, "proration_details": None, "subscription": None}})
    except Refusal:
        del account.objects["invoiceitem"][item["id"]]
        raise
    item["invoice"] = invoice["id"]
    account.emit("invoice.updated", invoice, before)


@route("DELETE /v1/invoiceitems/{invoiceitem}")
def item_delete(account, ids, p):
    item = account.get("invoiceitem", ids[0])
    if item["invoice"]:
        invoice = account.get("invoice", item["invoice"])
        draft_only(invoice)
        before = account.view(invoice)
        invoice["_lines"] = [n for n in invoice["_lines"]
                             if (n["parent"]["invoice_item_details"] or {}).get("invoice_item") != item["id"]]
        total_up(account, invoice)
        account.emit("invoice.updated", invoice, before)
    del account.objects["invoiceitem"][item["id"]]
    account.emit("invoiceitem.deleted", item)
    return {"id": item["id"], "object": "invoiceitem", "deleted": True}


@route("GET /v1/invoiceitems")
def item_list(account, ids, p):
    found = account.of("invoiceitem", **{k: p[k] for k in ("customer", "invoice") if k in p})
    if "pending" in p:
        found = [i for i in found if (i["invoice"] is None) == p["pending"]]
    return account.listed(found, {**p}, "/v1/invoiceitems")


def balance_change(account, customer, by):
    """What is added to the balance; the id of the transaction that says so."""
    if by:
        account.change(customer, "customer.updated", balance=customer["balance"] + by)
    return account.identifier("cbtxn")


def settled(account, invoice, before, **fields):
    """Nothing is due any more: the invoice is paid."""
    invoice.update(status="paid", amount_remaining=0, attempted=True, next_payment_attempt=None, auto_advance=False, **fields)
    invoice["status_transitions"]["paid_at"] = account.now()
    account.emit("invoice.updated", invoice, before)
    account.emit("invoice.paid", invoice)


def finalize(account, invoice, auto_advance=None):
    if invoice["status"] != "draft":
        raise Refusal(400, f"this invoice is {invoice['status']}: it is finalized already", "invoice_not_editable")
    customer = account.get("customer", invoice["customer"])
    before, now = account.view(invoice), account.now()
    total_up(account, invoice)
    due, rest = due_of(account, invoice["total"], customer["balance"])
    if auto_advance is not None:
        invoice["auto_advance"] = auto_advance
    if invoice["number"] is None:
        invoice["number"] = f"{customer['invoice_prefix']}-{customer['_number']:04d}"
        customer["_number"] += 1
    if invoice["_days"] is not None:
        invoice["due_date"] = now + invoice["_days"] * 86400
    key = invoice["id"][3:]
    invoice.update(status="open", ending_balance=rest, effective_at=invoice["effective_at"] or now,
                   hosted_invoice_url=f"https://invoice.stripe.com/i/acct_double/test_{key}",
                   invoice_pdf=f"https://pay.stripe.com/invoice/acct_double/test_{key}/pdf")
    invoice["status_transitions"]["finalized_at"] = now
    balance_change(account, customer, rest - invoice["starting_balance"])
    account.emit("invoice.updated", invoice, before)
    account.emit("invoice.finalized", invoice)
    if due == 0:
        settled(account, invoice, account.view(invoice))
        account.emit("invoice.payment_succeeded", invoice)
        return invoice
    intent = account.new("payment_intent", amount=due, amount_received=0, created=now, currency=invoice["currency"],
                         customer=customer["id"], status="requires_payment_method", latest_charge=None, metadata={},
                         payment_method=None)
    account.new("invoice_payment", amount_paid=None, amount_requested=due, created=now, currency=invoice["currency"],
                invoice=invoice["id"], is_default=True, payment={"type": "payment_intent", "payment_intent": intent["id"]},
                status="open", status_transitions={"canceled_at": None, "paid_at": None})
    account.emit("payment_intent.created", intent)
    if account.settings["auto_pay"] and invoice["auto_advance"] and invoice["collection_method"] == "charge_automatically":
        try:
            pay(account, invoice)
        except Refusal:
            pass
    return invoice


@route("POST /v1/invoices/{invoice}/finalize")
def invoice_finalize(account, ids, p):
    return finalize(account, account.get("invoice", ids[0]), p.get("auto_advance"))


@route("POST /v1/invoices/{invoice}/send")
def invoice_send(account, ids, p):
    invoice = account.get("invoice", ids[0])
    if invoice["collection_method"] != "send_invoice":
        raise Refusal(400, "only an invoice with collection_method=send_invoice can be sent")
    if invoice["status"] == "draft":
        finalize(account, invoice)
    elif invoice["status"] != "open":
        raise Refusal(400, f"this invoice is {invoice['status']} and cannot be sent")
    account.emit("invoice.sent", invoice)
    return invoice


def open_payment(account, invoice):
    return account.of("invoice_payment", invoice=invoice["id"], status="open")[0]


def close_payment(account, invoice):
    for payment in account.of("invoice_payment", invoice=invoice["id"], status="open"):
        payment["status"] = "canceled"
        payment["status_transitions"]["canceled_at"] = account.now()
        intent = account.get("payment_intent", payment["payment"]["payment_intent"])
        intent["status"] = "canceled"
        account.emit("payment_intent.canceled", intent)


def pay(account, invoice, method_id=None):
    """Charge what is due to a card: the one named, else the invoice's, else the customer's."""
    customer = account.get("customer", invoice["customer"])
    method_id = method_id or invoice["default_payment_method"] or customer["invoice_settings"]["default_payment_method"]
    if method_id is None:
        raise Refusal(400, "neither the customer nor the invoice has a default_payment_method", "resource_missing")
    method = account.get("payment_method", method_id, "payment_method")
    amount, now = invoice["amount_remaining"], account.now()
    if amount > CHARGE_MAX:
        raise Refusal(400, "the amount has more than eight digits", "amount_too_large")
    payment = open_payment(account, invoice)
    intent = account.get("payment_intent", payment["payment"]["payment_intent"])
    works = method["_works"]
    charge = account.new("charge", amount=amount, amount_captured=amount if works else 0, amount_refunded=0, captured=works,
                         created=now, currency=invoice["currency"], customer=customer["id"], description=None, disputed=False,
                         failure_code=None if works else "card_declined", metadata={}, paid=works, payment_intent=intent["id"],
                         payment_method=method_id, receipt_email=None, refunded=False, status="succeeded" if works else "failed")
    before = account.view(invoice)
    intent.update(latest_charge=charge["id"], amount=amount)
    invoice.update(attempted=True, attempt_count=invoice["attempt_count"] + 1)
    if not works:
        account.emit("charge.failed", charge)
        account.emit("payment_intent.payment_failed", intent)
        if invoice["auto_advance"]:
            invoice["next_payment_attempt"] = now + 3 * 86400
        account.emit("invoice.updated", invoice, before)
        account.emit("invoice.payment_failed", invoice)
        raise Refusal(402, "Your card was declined.", "card_declined", kind="card_error", decline_code="generic_decline",
                      charge=charge["id"])
    intent.update(status="succeeded", amount_received=amount, payment_method=method_id)
    payment.update(amount_paid=amount, status="paid")
    payment["status_transitions"]["paid_at"] = now
    account.emit("charge.succeeded", charge)
    account.emit("payment_intent.succeeded", intent)
    account.emit("invoice_payment.paid", payment)
    settled(account, invoice, before, amount_paid=invoice["amount_paid"] + amount)
    account.emit("invoice.payment_succeeded", invoice)
    return invoice


@route("POST /v1/invoices/{invoice}/pay")
def invoice_pay(account, ids, p):
    invoice = account.get("invoice", ids[0])
    if invoice["status"] not in ("open", "uncollectible"):
        words = "Invoice is already paid" if invoice["status"] == "paid" else f"this invoice is {invoice['status']}; only an open one can be paid"
        raise Refusal(400, words)
    if not p.get("paid_out_of_band"):
        return pay(account, invoice, p.get("payment_method"))
    close_payment(account, invoice)
    amount = invoice["amount_remaining"]
    settled(account, invoice, account.view(invoice), amount_paid=invoice["amount_paid"] + amount, amount_paid_off_stripe=amount)
    return invoice


@route("POST /v1/invoices/{invoice}/void")
def invoice_void(account, ids, p):
    invoice = account.get("invoice", ids[0])
    if invoice["status"] not in ("open", "uncollectible"):
        raise Refusal(400, f"this invoice is {invoice['status']}; only an open or uncollectible one can be voided")
    before = account.view(invoice)
    close_payment(account, invoice)
    invoice.update(status="void", auto_advance=False, next_payment_attempt=None)
    invoice["status_transitions"]["voided_at"] = account.now()
    account.emit("invoice.updated", invoice, before)
    account.emit("invoice.voided", invoice)
    balance_change(account, account.get("customer", invoice["customer"]), invoice["starting_balance"] - invoice["ending_balance"])
    return invoice


@route("POST /v1/invoices/{invoice}/mark_uncollectible")
def invoice_uncollectible(account, ids, p):
    invoice = account.get("invoice", ids[0])
    if invoice["status"] != "open":
        raise Refusal(400, f"this invoice is {invoice['status']}; only an open one can become uncollectible")
    before = account.view(invoice)
    invoice.update(status="uncollectible", auto_advance=False, next_payment_attempt=None)
    invoice["status_transitions"]["marked_uncollectible_at"] = account.now()
    account.emit("invoice.updated", invoice, before)
    account.emit("invoice.marked_uncollectible", invoice)
    return invoice


def charge_of(account, invoice):
    """The charge that paid an invoice, or None."""
    for payment in account.of("invoice_payment", invoice=invoice["id"], status="paid"):
        return account.get("charge", account.get("payment_intent", payment["payment"]["payment_intent"])["latest_charge"])
    return None


def refund(account, charge, amount, status="succeeded"):
    if amount <= 0 or amount > charge["amount"] - charge["amount_refunded"]:
        raise Refusal(400, f"of this charge {charge['amount'] - charge['amount_refunded']} can be refunded", "charge_already_refunded")
    made = account.new("refund", amount=amount, balance_transaction=None, charge=charge["id"], created=account.now(),
                       currency=charge["currency"], customer=charge["customer"], metadata={}, payment_intent=charge["payment_intent"],
                       payment_method=charge["payment_method"], reason=None, receipt_number=None, status=status)
    before = account.view(charge)
    refunded = charge["amount_refunded"] + amount
    charge.update(amount_refunded=refunded, refunded=refunded == charge["amount"])
    account.emit("refund.created", made)
    account.emit("charge.refunded", charge, before)
    return made


def refund_fails(account, made):
    before, charge = account.view(made), account.get("charge", made["charge"])
    made.update(status="failed", failure_reason="lost_or_stolen_card")
    account.emit("refund.updated", made, before)
    account.emit("refund.failed", made)
    account.change(charge, "charge.updated", amount_refunded=charge["amount_refunded"] - made["amount"], refunded=False)


def dispute_open(account, charge, amount, status="needs_response"):
    made = account.new("dispute", amount=amount, balance_transactions=[], charge=charge["id"], created=account.now(),
                       currency=charge["currency"], evidence={}, evidence_details={"due_by": None, "has_evidence": False},
                       is_charge_refundable=False, metadata={}, payment_intent=charge["payment_intent"], reason="fraudulent",
                       status=status)
    account.change(charge, "charge.updated", disputed=True)
    account.emit("charge.dispute.created", made)
    if not status.startswith("warning_"):
        account.emit("charge.dispute.funds_withdrawn", made)
    return made


def dispute_change(account, dispute, status):
    account.change(dispute, "charge.dispute.updated", status=status)
    if status in ("won", "lost", "warning_closed", "prevented"):
        account.emit("charge.dispute.closed", dispute)
    if status == "won":
        account.emit("charge.dispute.funds_reinstated", dispute)


@route("POST /v1/credit_notes")
def credit_create(account, ids, p):
    invoice = account.get("invoice", p["invoice"], "invoice")
    if invoice["status"] not in ("open", "paid", "uncollectible"):
        raise Refusal(400, f"this invoice is {invoice['status']}; credit is for a finalized one", param="invoice")
    if ("lines" in p) == ("amount" in p):
        raise Refusal(400, "one of amount and lines must be given", "parameter_missing", "amount")
    lines = []
    for i, line in enumerate(p.get("lines", [])):
        if line["type"] != "custom_line_item":
            raise Refusal(400, "the double knows lines of type custom_line_item only", param=f"lines[{i}][type]")
        for name in ("description", "quantity", "unit_amount"):
            if name not in line:
                raise Refusal(400, f"a custom_line_item needs {name}", "parameter_missing", f"lines[{i}][{name}]")
        for name in ("amount", "invoice_line_item"):
            if name in line:
                raise Refusal(400, f"{name} is not for a custom_line_item", param=f"lines[{i}][{name}]")
        lines.append(line)
    total = p.get("amount", sum(line["quantity"] * line["unit_amount"] for line in lines))
    credited = invoice["pre_payment_credit_notes_amount"] + invoice["post_payment_credit_notes_amount"]
    if total <= 0 or total > invoice["total"] - credited:
        raise Refusal(400, f"a credit of {total}: of this invoice 1 to {invoice['total'] - credited} can be credited", param="amount")
    before_payment = min(total, invoice["amount_remaining"])
    after = total - before_payment
    parts = [p.get(name, 0) for name in ("credit_amount", "refund_amount", "out_of_band_amount")]
    if sum(parts) != after:
        raise Refusal(400, f"credit_amount, refund_amount and out_of_band_amount come to {sum(parts)}, not to {after}", param="credit_amount")
    charge = charge_of(account, invoice)
    if parts[1] and (charge is None or parts[1] > charge["amount"] - charge["amount_refunded"]):
        raise Refusal(400, "there is no charge of that much to refund", param="refund_amount")
    before, customer = account.view(invoice), account.get("customer", invoice["customer"])
    number = len(account.of("credit_note", invoice=invoice["id"])) + 1
    note = account.new("credit_note", amount=total, amount_shipping=0, created=account.now(), currency=invoice["currency"],
                       customer=customer["id"], customer_account=None, customer_balance_transaction=None, discount_amount=0,
                       discount_amounts=[], effective_at=p.get("effective_at", account.now()), invoice=invoice["id"],
                       memo=p.get("memo"), metadata={}, number=f"{invoice['number']}-CN-{number:02d}",
                       out_of_band_amount=p.get("out_of_band_amount"), pdf="https://pay.stripe.com/credit_notes/double/pdf",
                       post_payment_amount=after, pre_payment_amount=before_payment, pretax_credit_amounts=[],
                       reason=p.get("reason"), refunds=[], shipping_cost=None, status="issued", subtotal=total,
                       subtotal_excluding_tax=total, total=total, total_excluding_tax=total, total_taxes=[],
                       type="mixed" if before_payment and after else "pre_payment" if before_payment else "post_payment",
                       voided_at=None, _lines=[])
    merge_metadata(note, p)
    for line in lines or [{"type": "custom_line_item", "description": None, "quantity": 1, "unit_amount": total}]:
        note["_lines"].append(account.new(
            "credit_note_line_item", amount=line["quantity"] * line["unit_amount"], description=line["description"],
            discount_amount=0, discount_amounts=[], metadata=line.get("metadata", {}), pretax_credit_amounts=[], quantity=line["quantity"],
            tax_rates=[], taxes=[], type="custom_line_item", unit_amount=line["unit_amount"],
            unit_amount_decimal=str(line["unit_amount"])))
    if parts[0]:
        note["customer_balance_transaction"] = balance_change(account, customer, -parts[0])
    if parts[1]:
        made = refund(account, charge, parts[1])
        note["refunds"] = [{"amount_refunded": parts[1], "refund": made["id"], "type": "refund", "payment_record_refund": None}]
    invoice["pre_payment_credit_notes_amount"] += before_payment
    invoice["post_payment_credit_notes_amount"] += after
    invoice["amount_due"] -= before_payment
    invoice["amount_remaining"] -= before_payment
    account.emit("credit_note.created", note)
    if before_payment and invoice["amount_remaining"] == 0:
        close_payment(account, invoice)
        settled(account, invoice, before)
    else:
        account.emit("invoice.updated", invoice, before)
    return note


@route("GET /v1/credit_notes")
def credit_list(account, ids, p):
    return account.listed(account.of("credit_note", **{k: p[k] for k in ("customer", "invoice") if k in p}), p, "/v1/credit_notes")


@route("GET /v1/credit_notes/{credit_note}/lines")
def credit_lines(account, ids, p):
    return account.listed(account.get("credit_note", ids[0])["_lines"], p, f"/v1/credit_notes/{ids[0]}/lines")


@route("GET /v1/invoice_payments")
def payment_list(account, ids, p):
    found = account.of("invoice_payment", **{k: p[k] for k in ("invoice", "status") if k in p})
    wanted = p.get("payment", {}).get("payment_intent")
    return account.listed([o for o in found if not wanted or o["payment"].get("payment_intent") == wanted], p, "/v1/invoice_payments")


@route("GET /v1/refunds")
def refund_list(account, ids, p):
    return account.listed(account.of("refund", **{k: p[k] for k in ("charge", "payment_intent") if k in p}), p, "/v1/refunds")


@route("GET /v1/disputes")
def dispute_list(account, ids, p):
    return account.listed(account.of("dispute", **{k: p[k] for k in ("charge", "payment_intent") if k in p}), p, "/v1/disputes")
