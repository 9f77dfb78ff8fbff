"""The account that stripe_server.py keeps: its objects, how they are found, listed, shown and told of.

An object is a dict in the shape of the current API; names that begin with _ are the double's own and
never shown.  A request's doing stands in a function under @route("METHOD /v1/path"), which is given the
account, the ids in the path and the typed parameters.  Each change is told as an event, with what was
before.  This file has products, prices, customers, payment methods and sessions; stripe_invoices.py and
stripe_subscriptions.py have the rest.
"""
import copy
import hashlib
import re
import time

from stripe_form import Refusal

ROUTES = {}
PREFIX = {
    "product": "prod", "price": "price", "customer": "cus", "payment_method": "pm", "setup_intent": "seti",
    "subscription": "sub", "subscription_item": "si", "invoice": "in", "invoiceitem": "ii", "line_item": "il",
    "credit_note": "cn", "credit_note_line_item": "cnli", "invoice_payment": "inpay", "payment_intent": "pi",
    "charge": "ch", "refund": "re", "dispute": "du", "customer_balance_transaction": "cbtxn", "event": "evt",
    "checkout.session": "cs_test", "billing_portal.session": "bps",
}


def route(request):
    def keep(function):
        ROUTES[request] = function
        return function
    return keep


def difference(before, after):
    """What of `before` is otherwise in `after`; of hashes only what differs in them."""
    result = {}
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if old != new:
            both = isinstance(old, dict) and isinstance(new, dict) and "object" not in old
            result[name] = difference(old, new) if both else old
    return result


class Account:
    def __init__(self, seed, version):
        self.seed, self.version, self.made = seed, version, 0
        self.objects = {kind: {} for kind in PREFIX}
        self.shift = 0  # seconds that our clock is ahead of the machine's
        self.frozen = None  # or the time that it stands at
        self.request = {"id": None, "idempotency_key": None}  # whose doing a change is
        self.settings = {"minimum": 50, "portal": True, "auto_pay": False, "livemode": False}
        self.told = lambda event: None

    def now(self):
        return int(time.time() if self.frozen is None else self.frozen) + self.shift

    def identifier(self, prefix, length=24):
        self.made += 1
        return f"{prefix}_{hashlib.sha256(f'{self.seed}/{self.made}'.encode()).hexdigest()[:length]}"

    def new(self, kind, **fields):
        obj = {"id": self.identifier(PREFIX[kind]), "object": kind, "livemode": self.settings["livemode"], **fields}
        return self.keep(kind, obj)

    def keep(self, kind, obj):
        obj["_order"] = self.made
        self.objects[kind][obj["id"]] = obj
        return obj

    def get(self, kind, key, param=None):
        """The object; without a param its id was in the path, which makes the refusal 404 and not 400."""
        obj = self.objects[kind].get(key)
        if obj is None:
            raise Refusal(400 if param else 404, f"No such {kind}: '{key}'", "resource_missing", param or "id")
        return obj

    def of(self, kind, **fields):
        return [o for o in self.objects[kind].values() if all(o.get(k) == v for k, v in fields.items())]

    def view(self, obj):
        """As an answer or an event shows it."""
        shown = copy.deepcopy({k: v for k, v in obj.items() if not k.startswith("_")})
        if obj["object"] in ("invoice", "credit_note"):
            shown["lines"] = self.page([self.view(line) for line in obj["_lines"]], f"/v1/{obj['object']}s/{obj['id']}/lines")
        return shown

    @staticmethod
    def page(items, url, limit=10):
        return {"object": "list", "data": items[:limit], "has_more": len(items) > limit, "url": url}

    def listed(self, items, p, url):
        """A page of these objects, the newest first unless they are lines: limit, starting_after, ending_before, created."""
        created = p.get("created")
        if isinstance(created, int):
            created = {"gte": created, "lte": created}
        for word, sign in (("gt", int.__gt__), ("gte", int.__ge__), ("lt", int.__lt__), ("lte", int.__le__)):
            if created and word in created:
                items = [o for o in items if sign(o["created"], created[word])]
        if not url.endswith("/lines"):
            items = sorted(items, key=lambda o: (-o.get("created", o.get("date", 0)), -o["_order"]))
        ids, limit = [o["id"] for o in items], p.get("limit", 10)
        for name in ("starting_after", "ending_before"):
            if name in p and p[name] not in ids:
                raise Refusal(400, f"No such object: '{p[name]}'", "resource_missing", name)
        if "starting_after" in p and "ending_before" in p:
            raise Refusal(400, "starting_after and ending_before exclude each other")
        if "starting_after" in p:
            items = items[ids.index(p["starting_after"]) + 1:]
        if "ending_before" in p:
            items = items[:ids.index(p["ending_before"])]
            more, items = len(items) > limit, items[-limit:]
            return {"object": "list", "data": [self.view(o) for o in items], "has_more": more, "url": url}
        return self.page([self.view(o) for o in items], url, limit)

    def emit(self, kind, obj, before=None):
        """Tell of obj; `before` is what view() showed of it, where there is something to compare."""
        data = {"object": self.view(obj)}
        if before is not None:
            changed = difference(before, data["object"])
            if not changed:
                return
            data["previous_attributes"] = changed
        event = self.new("event", api_version=self.version, created=self.now(), data=data, type=kind, pending_webhooks=1,
                         request=dict(self.request))
        self.told(self.view(event))

    def change(self, obj, kind, **fields):
        before = self.view(obj)
        obj.update(fields)
        self.emit(kind, obj, before)

    def expand(self, shown, paths):
        for path in paths or []:
            self.expand_one(shown, path.split("."), path)
        return shown

    def expand_one(self, node, steps, path):
        if isinstance(node, list):
            for item in node:
                self.expand_one(item, steps, path)
            return
        if node.get("object") == "invoice" and steps[0] == "payments":
            node["payments"] = self.page([self.view(o) for o in self.of("invoice_payment", invoice=node["id"])], "/v1/invoice_payments")
        if steps[0] not in node:
            raise Refusal(400, "This property cannot be expanded: " + path, param="expand")
        value = node[steps[0]]
        if isinstance(value, str):
            held = next((kept for kept in self.objects.values() if value in kept), None)
            if held:
                value = node[steps[0]] = self.view(held[value])
        if len(steps) > 1 and value is not None:
            self.expand_one(value, steps[1:], path)


def merge_metadata(obj, p):
    """Metadata are merged key by key; an empty value takes the key out, an empty metadata all."""
    if "metadata" in p:
        merged = {**obj.get("metadata", {}), **p["metadata"]} if p["metadata"] is not None else {}
        obj["metadata"] = {k: v for k, v in merged.items() if v != ""}
        if len(obj["metadata"]) > 50:
            raise Refusal(400, "metadata has more than 50 keys", param="metadata")


def fill(obj, p, *names):
    merge_metadata(obj, p)
    obj.update({name: p[name] for name in names if name in p})


def one_currency(account, customer, currency):
    """A customer is billed in one currency, that of the first thing billed."""
    if customer["currency"] not in (None, currency):
        raise Refusal(400, f"the customer is billed in {customer['currency']}, not in {currency}", param="currency")
    if customer["currency"] is None:
        account.change(customer, "customer.updated", currency=currency)


@route("GET /v1/account")
def account_get(account, ids, p):
    return {"id": "acct_double", "object": "account", "type": "standard", "country": "US", "default_currency": "usd",
            "email": "owner@example.com", "charges_enabled": True, "payouts_enabled": True, "details_submitted": True,
            "business_profile": {"name": "The Double", "url": None}, "settings": {"dashboard": {"display_name": "The Double"}},
            "metadata": {}}


@route("POST /v1/products")
def product_create(account, ids, p):
    if p.get("id") in account.objects["product"]:
        raise Refusal(400, "Product already exists.", "resource_already_exists", "id")
    now = account.now()
    product = account.new("product", active=p.get("active", True), created=now, updated=now, default_price=None,
                          description=p.get("description"), images=[], marketing_features=[], metadata={}, name=p["name"],
                          package_dimensions=None, shippable=None, statement_descriptor=None, tax_code=None, tax_details=None,
                          type="service", unit_label=p.get("unit_label"), url=p.get("url"))
    if "id" in p:
        del account.objects["product"][product["id"]]
        account.keep("product", {**product, "id": p["id"]})
        product = account.objects["product"][p["id"]]
    merge_metadata(product, p)
    account.emit("product.created", product)
    return product


@route("POST /v1/products/{product}")
def product_update(account, ids, p):
    product = account.get("product", ids[0])
    before = account.view(product)
    fill(product, p, "name", "active", "description", "default_price", "unit_label", "url")
    if account.view(product) != before:
        product["updated"] = account.now()
    account.emit("product.updated", product, before)
    return product


@route("GET /v1/products")
def product_list(account, ids, p):
    found = account.of("product", **{k: p[k] for k in ("active", "type", "url") if k in p})
    return account.listed([o for o in found if "ids" not in p or o["id"] in p["ids"]], p, "/v1/products")


@route("POST /v1/prices")
def price_create(account, ids, p):
    if "product" not in p:
        raise Refusal(400, "Missing required param: product", "parameter_missing", "product")
    product = account.get("product", p["product"], "product")
    if not product["active"]:
        raise Refusal(400, "the product is inactive", param="product")
    if ("unit_amount" in p) == ("unit_amount_decimal" in p):
        raise Refusal(400, "one of unit_amount and unit_amount_decimal", "parameter_missing", "unit_amount")
    key = p.get("lookup_key")
    if key and account.of("price", lookup_key=key):
        raise Refusal(400, "a price has this lookup_key", param="lookup_key")
    recurring = p.get("recurring")
    if recurring:
        recurring = {"interval": recurring["interval"], "interval_count": recurring.get("interval_count", 1), "meter": None,
                     "trial_period_days": None, "usage_type": recurring.get("usage_type", "licensed")}
        if recurring["interval_count"] > {"day": 1095, "week": 156, "month": 36, "year": 3}[recurring["interval"]]:
            raise Refusal(400, "an interval is at most three years", param="recurring[interval_count]")
    decimal = p.get("unit_amount_decimal", str(p.get("unit_amount")))
    price = account.new("price", active=p.get("active", True), billing_scheme=p.get("billing_scheme", "per_unit"),
                        created=account.now(), currency=p["currency"], custom_unit_amount=None, lookup_key=key, metadata={},
                        nickname=p.get("nickname"), product=product["id"], recurring=recurring,
                        tax_behavior=p.get("tax_behavior", "unspecified"), tiers_mode=None, transform_quantity=None,
                        type="recurring" if recurring else "one_time",
                        unit_amount=p["unit_amount"] if "unit_amount" in p else None, unit_amount_decimal=decimal)
    merge_metadata(price, p)
    account.emit("price.created", price)
    return price


@route("POST /v1/prices/{price}")
def price_update(account, ids, p):
    price = account.get("price", ids[0])
    before = account.view(price)
    fill(price, p, "active", "nickname", "lookup_key", "tax_behavior")
    account.emit("price.updated", price, before)
    return price


@route("GET /v1/prices")
def price_list(account, ids, p):
    found = account.of("price", **{k: p[k] for k in ("active", "currency", "product", "type") if k in p})
    found = [o for o in found if "lookup_keys" not in p or o["lookup_key"] in p["lookup_keys"]]
    for name, value in p.get("recurring", {}).items():
        found = [o for o in found if o["recurring"] and o["recurring"][name] == value]
    return account.listed(found, p, "/v1/prices")


def settle_customer(account, customer, p):
    """What a customer's creation and its update have in common."""
    fill(customer, p, "name", "email", "description", "phone", "balance", "invoice_prefix")
    settings = p.get("invoice_settings", {})
    method = settings.get("default_payment_method")
    if method is not None:
        known = account.objects["payment_method"].get(method)
        if known is None or known["customer"] != customer["id"]:
            raise Refusal(400, f"the customer has no payment method '{method}'; it must be attached to the customer",
                          "resource_missing", "invoice_settings[default_payment_method]")
    customer["invoice_settings"].update(settings)


@route("POST /v1/customers")
def customer_create(account, ids, p):
    key = account.identifier("cus", 14)
    customer = {"id": key, "object": "customer", "livemode": account.settings["livemode"], "address": None, "balance": 0,
                "created": account.now(), "currency": None, "default_source": None, "delinquent": False, "description": None,
                "discount": None, "email": None, "invoice_prefix": key[4:12].upper(),
                "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None},
                "metadata": {}, "name": None, "next_invoice_sequence": 1, "phone": None, "preferred_locales": [],
                "shipping": None, "tax_exempt": "none", "test_clock": None, "_number": 1}
    settle_customer(account, customer, p)
    account.keep("customer", customer)
    account.emit("customer.created", customer)
    return customer


@route("POST /v1/customers/{customer}")
def customer_update(account, ids, p):
    customer = account.get("customer", ids[0])
    before = account.view(customer)
    trial = copy.deepcopy(customer)  # a refusal leaves nothing behind
    settle_customer(account, trial, p)
    customer.update(trial)
    account.emit("customer.updated", customer, before)
    return customer


@route("GET /v1/customers")
def customer_list(account, ids, p):
    return account.listed(account.of("customer", **{k: p[k] for k in ("email",) if k in p}), p, "/v1/customers")


def retrieving(kind, path):
    @route(f"GET /v1/{path}")
    def get(account, ids, p):
        return account.get(kind, ids[0])


for word in ("product", "price", "customer", "setup_intent", "subscription", "invoice", "invoiceitem", "credit_note",
             "invoice_payment", "event"):
    retrieving(word, f"{word}s/{{{word}}}")
retrieving("checkout.session", "checkout/sessions/{session}")


@route("GET /v1/events")
def event_list(account, ids, p):
    wanted = p.get("types") or ([p["type"]] if "type" in p else None)
    match = wanted and re.compile("|".join(re.escape(w).replace(r"\*", ".*") for w in wanted))
    return account.listed([e for e in account.objects["event"].values() if not match or match.fullmatch(e["type"])], p, "/v1/events")


def add_card(account, customer, works, default=True):
    """The customer's own doing: a card, which pays or is declined."""
    card = {"brand": "visa", "last4": "4242" if works else "0341", "exp_month": 12, "exp_year": 2034, "country": "US",
            "funding": "credit"}
    method = account.new("payment_method", created=account.now(), customer=customer["id"], type="card", card=card, metadata={},
                         allow_redisplay="always", billing_details={"name": customer["name"], "email": customer["email"]},
                         _works=works)
    account.emit("payment_method.attached", method)
    if default:
        settings = {**customer["invoice_settings"], "default_payment_method": method["id"]}
        account.change(customer, "customer.updated", invoice_settings=settings)
    return method


@route("POST /v1/billing_portal/sessions")
def portal_create(account, ids, p):
    if not account.settings["portal"]:
        raise Refusal(400, "the customer portal's settings were never saved in this mode")
    customer = account.get("customer", p.get("customer"), "customer")
    key = account.identifier("bps")
    return account.keep("billing_portal.session", {
        "id": key, "object": "billing_portal.session", "livemode": account.settings["livemode"], "configuration": "bpc_double",
        "created": account.now(), "customer": customer["id"], "customer_account": None, "flow": None, "locale": p.get("locale"),
        "on_behalf_of": None, "return_url": p.get("return_url"), "url": f"https://billing.stripe.com/p/session/test_{key[4:]}"})


@route("POST /v1/checkout/sessions")
def checkout_create(account, ids, p):
    if p.get("mode") != "setup":
        raise Refusal(400, "the double knows mode=setup only", param="mode")
    for name in ("currency", "success_url"):
        if name not in p:
            raise Refusal(400, f"You must give {name} in this mode", "parameter_missing", name)
    customer = account.get("customer", p["customer"], "customer")["id"] if "customer" in p else None
    data, now = p.get("setup_intent_data", {}), account.now()
    intent = account.new("setup_intent", created=now, customer=customer, description=data.get("description"),
                         metadata=data.get("metadata", {}), payment_method=None, payment_method_types=["card"],
                         status="requires_payment_method", usage="off_session", application=None, cancellation_reason=None,
                         client_secret=None, last_setup_error=None, latest_attempt=None, mandate=None, next_action=None)
    account.emit("setup_intent.created", intent)
    key = account.identifier("cs_test")
    return account.keep("checkout.session", {
        "id": key, "object": "checkout.session", "livemode": account.settings["livemode"], "mode": "setup", "created": now,
        "currency": p["currency"], "customer": customer, "client_reference_id": p.get("client_reference_id"),
        "success_url": p["success_url"], "cancel_url": p.get("cancel_url"), "metadata": p.get("metadata", {}),
        "setup_intent": intent["id"], "subscription": None, "payment_intent": None, "invoice": None, "status": "open",
        "payment_status": "no_payment_required", "amount_total": None, "amount_subtotal": None, "expires_at": now + 86400,
        "ui_mode": "hosted_page", "url": f"https://checkout.stripe.com/c/pay/{key}"})


def checkout_complete(account, session, works=True):
    """The customer's own doing: a card is given in the session's page."""
    customer = account.get("customer", session["customer"])
    method = add_card(account, customer, works, default=False)
    intent = account.get("setup_intent", session["setup_intent"])
    intent.update(status="succeeded", payment_method=method["id"])
    account.emit("setup_intent.succeeded", intent)
    session.update(status="complete", url=None)
    account.emit("checkout.session.completed", session)


@route("GET /v1/checkout/sessions")
def checkout_list(account, ids, p):
    found = account.of("checkout.session", **{k: p[k] for k in ("customer", "status") if k in p})
    return account.listed(found, p, "/v1/checkout/sessions")


@route("GET /v1/setup_intents")
def intent_list(account, ids, p):
    found = account.of("setup_intent", **{k: p[k] for k in ("customer", "payment_method") if k in p})
    return account.listed(found, p, "/v1/setup_intents")
