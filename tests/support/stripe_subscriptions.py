"""Subscriptions, and what time does: renewals, ends of trials, automatic payment; for stripe_server.py.

Each period is invoiced when it begins: quantity times the price's amount.  gbill's have a quantity of 0, so these
invoices are of 0 and paid at once; one that is not would be a charge that gbill did not compute, and a test sees it
as an invoice without gbill_key and with a total.
An update's item without an id is another item beside the first, as at Stripe: to change the price its id is needed.
"""
import calendar
import datetime

from stripe_form import Refusal
from stripe_invoices import check_terms, finalize, invoice_new, line_add, pay
from stripe_objects import fill, one_currency, route


def later(anchor, interval, count):
    """The anchor and `count` intervals; the 31st becomes a shorter month's last day."""
    when = datetime.datetime.fromtimestamp(anchor, datetime.timezone.utc)
    if interval in ("day", "week"):
        return anchor + count * 86400 * (7 if interval == "week" else 1)
    month = when.year * 12 + when.month - 1 + count * (12 if interval == "year" else 1)
    year, month = month // 12, month % 12 + 1
    return int(when.replace(year=year, month=month, day=min(when.day, calendar.monthrange(year, month)[1])).timestamp())


def period_of(anchor, recurring, now):
    """The period around now of an anchor, and how many there were before."""
    n = 0
    while later(anchor, recurring["interval"], (n + 1) * recurring["interval_count"]) <= now:
        n += 1
    return tuple(later(anchor, recurring["interval"], (n + i) * recurring["interval_count"]) for i in (0, 1))


def item_of(account, sub_id, given, start, end):
    price = account.get("price", given.get("price"), "items[0][price]")
    if price["type"] != "recurring":
        raise Refusal(400, "the price is not recurring", param="items[0][price]")
    if not price["active"]:
        raise Refusal(400, "the price is inactive", param="items[0][price]")
    return {"id": account.identifier("si"), "object": "subscription_item", "billing_thresholds": None, "created": account.now(),
            "current_period_start": start, "current_period_end": end, "current_trial": None, "discounts": [],
            "metadata": given.get("metadata", {}), "plan": {"id": price["id"], "object": "plan", "product": price["product"]},
            "price": account.view(price), "quantity": given.get("quantity", 1), "subscription": sub_id, "tax_rates": []}


def period_invoice(account, sub, reason):
    """Invoice the period that begins; nothing in a trial."""
    customer = account.get("customer", sub["customer"])
    details = {"type": "subscription_details", "quote_details": None,
               "subscription_details": {"metadata": dict(sub["metadata"]), "subscription": sub["id"]}}
    invoice = invoice_new(account, customer, sub["currency"], billing_reason=reason, parent=details, auto_advance=True,
                          collection_method=sub["collection_method"])
    invoice["_days"] = sub["days_until_due"]
    for item in sub["items"]["data"]:
        amount = 0 if sub["status"] == "trialing" else item["quantity"] * (item["price"]["unit_amount"] or 0)
        line_add(account, invoice, amount, f"{item['quantity']} × {item['price']['nickname']}",
                 {"start": item["current_period_start"], "end": item["current_period_end"]}, sub["metadata"],
                 {"type": "subscription_item_details", "invoice_item_details": None,
                  "subscription_item_details": {"invoice_item": None, "proration": False, "proration_details": None,
                                                "subscription": sub["id"], "subscription_item": item["id"]}},
                 quantity=item["quantity"],
                 pricing={"type": "price_details", "unit_amount_decimal": item["price"]["unit_amount_decimal"],
                          "price_details": {"price": item["price"]["id"], "product": item["price"]["product"]}})
    sub["latest_invoice"] = invoice["id"]
    account.emit("invoice.created", invoice)
    if sub["pause_collection"]:
        behavior = sub["pause_collection"]["behavior"]
        if behavior == "keep_as_draft":
            return invoice
        finalize(account, invoice)
        if behavior == "void" and invoice["status"] == "open":
            invoice["status"] = "void"
            account.emit("invoice.voided", invoice)
        return invoice
    finalize(account, invoice)
    if invoice["status"] == "open" and sub["collection_method"] == "charge_automatically":
        try:
            pay(account, invoice)
        except Refusal:
            sub["status"] = "incomplete" if reason == "subscription_create" else "past_due"
    return invoice


def future(account, value, name):
    if isinstance(value, int) and value <= account.now():
        raise Refusal(400, f"{name} must be in the future", param=name)
    return value


@route("POST /v1/subscriptions")
def subscription_create(account, ids, p):
    for name in ("customer", "items"):
        if not p.get(name):
            raise Refusal(400, "Missing required param: " + name, "parameter_missing", name)
    customer = account.get("customer", p["customer"], "customer")
    method = p.get("collection_method", "charge_automatically")
    if method == "send_invoice" or "days_until_due" in p:
        check_terms(method, p)
    if "trial_end" in p and "trial_period_days" in p:
        raise Refusal(400, "trial_end and trial_period_days exclude each other", param="trial_end")
    now = account.now()
    trial = future(account, p.get("trial_end"), "trial_end")
    trial = now + 86400 * p["trial_period_days"] if "trial_period_days" in p else None if trial == "now" else trial
    anchor = trial or p.get("billing_cycle_anchor") or now
    key = account.identifier("sub")
    items = [item_of(account, key, given, 0, 0) for given in p["items"]]
    if len({(i["price"]["currency"]) for i in items} | ({p["currency"]} if "currency" in p else set())) != 1:
        raise Refusal(400, "the prices are of different currencies", param="items")
    if len({i["price"]["id"] for i in items}) != len(items):
        raise Refusal(400, "a price can be on a subscription once", param="items")
    one_currency(account, customer, items[0]["price"]["currency"])
    for item in items:
        item["current_period_start"], item["current_period_end"] = (now, trial) if trial else period_of(min(anchor, now), item["price"]["recurring"], now)
    sub = account.keep("subscription", {
        "id": key, "object": "subscription", "livemode": account.settings["livemode"], "application": None, "application_fee_percent": None,
        "automatic_tax": {"enabled": False, "disabled_reason": None, "liability": None}, "billing_cycle_anchor": anchor,
        "billing_cycle_anchor_config": None, "billing_mode": {"type": "flexible", "flexible": None}, "billing_schedules": [],
        "billing_thresholds": None, "cancel_at": future(account, p.get("cancel_at"), "cancel_at"), "cancel_at_period_end": False,
        "canceled_at": None, "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": method, "created": now, "currency": items[0]["price"]["currency"], "customer": customer["id"],
        "customer_account": None, "days_until_due": p.get("days_until_due"), "default_payment_method": p.get("default_payment_method"),
        "default_source": None, "default_tax_rates": [], "description": p.get("description"), "discounts": [], "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": account.page(items, f"/v1/subscription_items?subscription={key}"), "latest_invoice": None, "managed_payments": None,
        "metadata": {}, "next_pending_invoice_item_invoice": None, "on_behalf_of": None, "pause_collection": None,
        "payment_settings": None, "pending_invoice_item_interval": None, "pending_setup_intent": None, "pending_update": None,
        "schedule": None, "start_date": now, "status": "trialing" if trial else "active", "test_clock": None, "transfer_data": None,
        "trial_end": trial, "trial_settings": None, "trial_start": now if trial else None})
    fill(sub, p)
    if p.get("cancel_at_period_end"):
        end_with_period(account, sub, True)
    period_invoice(account, sub, "subscription_create")
    account.emit("customer.subscription.created", sub)
    return sub


def end_with_period(account, sub, on):
    sub.update(cancel_at_period_end=on, cancel_at=sub["items"]["data"][0]["current_period_end"] if on else None,
               canceled_at=account.now() if on else None)


@route("POST /v1/subscriptions/{subscription}")
def subscription_update(account, ids, p):
    sub = account.get("subscription", ids[0])
    if sub["status"] in ("canceled", "incomplete_expired") and set(p) - {"metadata", "expand"}:
        raise Refusal(400, "a canceled subscription can no longer be changed")
    before, items = account.view(sub), list(sub["items"]["data"])
    if p.get("cancel_at") is not None and p.get("cancel_at_period_end"):
        raise Refusal(400, "cancel_at and cancel_at_period_end exclude each other", param="cancel_at")
    for i, given in enumerate(p.get("items", [])):
        items = items_with(account, sub, items, given, f"items[{i}]")
    if not items:
        raise Refusal(400, "a subscription keeps one item at least", param="items")
    if {i["price"]["currency"] for i in items} != {sub["currency"]}:
        raise Refusal(400, f"the subscription is in {sub['currency']}", param="items")
    if len({i["price"]["id"] for i in items}) != len(items):
        raise Refusal(400, "a price can be on a subscription once", param="items")
    trial = future(account, p.get("trial_end"), "trial_end")
    future(account, p.get("cancel_at"), "cancel_at")
    sub["items"] = {**sub["items"], "data": items}
    fill(sub, p, "cancel_at", "default_payment_method", "description", "days_until_due", "collection_method")
    if "cancel_at" in p:
        sub.update(cancel_at_period_end=False, canceled_at=account.now() if p["cancel_at"] else None)
    if "cancel_at_period_end" in p and p["cancel_at_period_end"] != sub["cancel_at_period_end"]:
        end_with_period(account, sub, p["cancel_at_period_end"])
    if "pause_collection" in p:
        pause = p["pause_collection"]
        sub["pause_collection"] = pause and {"behavior": pause["behavior"], "resumes_at": pause.get("resumes_at")}
    if trial == "now" and sub["status"] == "trialing":
        trial_over(account, sub)
    elif isinstance(trial, int):
        sub.update(trial_end=trial, trial_start=sub["trial_start"] or account.now(), status="trialing", billing_cycle_anchor=trial)
        for item in items:
            item["current_period_end"] = trial
    changed_cycle = [i for i in items if i["price"]["recurring"]["interval"] != cycle_before(before)]
    if changed_cycle and sub["status"] == "active":
        begin_period(account, sub, account.now(), "subscription_update")
    account.emit("customer.subscription.updated", sub, before)
    return sub


def cycle_before(before):
    return before["items"]["data"][0]["price"]["recurring"]["interval"]


def items_with(account, sub, items, given, name):
    if "id" not in given:
        first = items[0]
        return items + [item_of(account, sub["id"], given, first["current_period_start"], first["current_period_end"])]
    old = next((i for i in items if i["id"] == given["id"]), None)
    if old is None:
        raise Refusal(400, f"the subscription has no item '{given['id']}'", "resource_missing", name + "[id]")
    if given.get("deleted"):
        return [i for i in items if i is not old]
    made = {**old}
    if "price" in given:
        made = {**item_of(account, sub["id"], {**given, "quantity": given.get("quantity", 1)}, old["current_period_start"],
                          old["current_period_end"]), "id": old["id"], "created": old["created"]}
    if "quantity" in given:
        made["quantity"] = given["quantity"]
    elif "price" in given:
        made["quantity"] = 1  # a new price begins with one, whatever was before: a charge, if it was forgotten
    return [made if i is old else i for i in items]


def cancel(account, sub, comment=None):
    before, now = account.view(sub), account.now()
    sub.update(status="canceled", canceled_at=sub["canceled_at"] or now, ended_at=now)
    sub["cancellation_details"] = {**sub["cancellation_details"], "comment": comment, "reason": "cancellation_requested"}
    account.emit("customer.subscription.deleted", sub, before)
    return sub


@route("DELETE /v1/subscriptions/{subscription}")
def subscription_cancel(account, ids, p):
    sub = account.get("subscription", ids[0])
    if sub["status"] == "canceled":
        raise Refusal(404, f"No such subscription: '{ids[0]}'", "resource_missing", "id")
    return cancel(account, sub, p.get("cancellation_details", {}).get("comment"))


@route("GET /v1/subscriptions")
def subscription_list(account, ids, p):
    found, status = account.of("subscription", **{k: p[k] for k in ("customer", "collection_method") if k in p}), p.get("status")
    if status is None:
        found = [s for s in found if s["status"] != "canceled"]
    elif status == "ended":
        found = [s for s in found if s["ended_at"]]
    elif status != "all":
        found = [s for s in found if s["status"] == status]
    if "price" in p:
        found = [s for s in found if any(i["price"]["id"] == p["price"] for i in s["items"]["data"])]
    return account.listed(found, p, "/v1/subscriptions")


def begin_period(account, sub, anchor, reason):
    sub["billing_cycle_anchor"] = anchor
    for item in sub["items"]["data"]:
        item["current_period_start"], item["current_period_end"] = period_of(anchor, item["price"]["recurring"], account.now())
    return period_invoice(account, sub, reason)


def trial_over(account, sub):
    sub.update(status="active", trial_end=min(sub["trial_end"], account.now()))
    begin_period(account, sub, sub["trial_end"], "subscription_cycle")


def tick(account):
    """What Stripe does by itself until now."""
    now = account.now()
    for sub in list(account.objects["subscription"].values()):
        if sub["status"] not in ("active", "trialing", "past_due"):
            continue
        if sub["cancel_at"] and sub["cancel_at"] <= now:
            cancel(account, sub)
            continue
        before = account.view(sub)
        if sub["status"] == "trialing" and sub["trial_end"] <= now:
            trial_over(account, sub)
        elif sub["items"]["data"][0]["current_period_end"] <= now:
            begin_period(account, sub, sub["billing_cycle_anchor"], "subscription_cycle")
        account.emit("customer.subscription.updated", sub, before)
    for invoice in account.of("invoice", status="open", collection_method="charge_automatically"):
        if invoice["auto_advance"] and (invoice["next_payment_attempt"] or 0) <= now:
            try:
                pay(account, invoice)
            except Refusal:
                pass
