#!/usr/bin/python3
"""A double of Stripe's API, for tests: what schemas/stripe.md asks of it, with state, events and faults.

Usage: stripe_server.py LOG PORTFILE [SEED]

Holds every request against stripe_api.json: path, method, parameters and their types, headers (an sk_test_, sk_live_
or rk_ key, Stripe-Version, a form's Content-Type, an Idempotency-Key at each POST); what is wrong gets Stripe's error.
Key sk_test_wrong is 401, rk_test_poor 403.  LOG gets one JSON line for each request, written before the answer:
method, path, params (as a tree), pairs, key (the Idempotency-Key), version, type (Content-Type), status, fault, replayed;
never the API key.

Idempotency: the same key with the same request gets the first answer again (Idempotent-Replayed: true), with another
request 400, while the first runs 409; for 24 hours.  What was refused before it began is not kept.

POST /admin/NAME with a JSON object is for the test (NAMES below say what there is).  Its answer is JSON.
"""
import collections
import http.server
import json
import os
import random
import re
import socket
import struct
import sys
import threading
import time
import traceback

sys.dont_write_bytecode = True  # the source tree stays as it is

import stripe_form
import stripe_invoices as invoices
import stripe_objects as objects
import stripe_subscriptions as subscriptions
from stripe_events import Sender
from stripe_form import Refusal

KEPT_SECONDS = 24 * 3600


class Faults:
    """What goes wrong by order: {match, kind, skip, times, rate, seconds, retry_after, should_retry, status}.

    match is a regular expression on "METHOD /path"; the first `skip` requests that match are spared, then `times` are
    hit, each with the chance `rate`.  Kinds: status (an error before anything is done), status_after (it is done and kept,
    the answer is an error), status_kept (it is done, and the error is what is kept for the key), cut, cut_after (no
    answer), cut_half (half an answer), slow, slow_after.
    """

    def __init__(self, seed):
        self.rules, self.chance, self.hits = [], random.Random(seed), collections.Counter()

    def add(self, rule):
        self.rules.append({"match": ".", "kind": "status", "skip": 0, "times": 1, "rate": 1.0, "status": 500, "seconds": 1,
                           "retry_after": None, "should_retry": None, **rule})

    def find(self, request):
        for rule in self.rules:
            if not re.search(rule["match"], request) or rule["times"] == 0:
                continue
            if rule["skip"] > 0:
                rule["skip"] -= 1
                continue
            if self.chance.random() < rule["rate"]:
                rule["times"] -= 1
                self.hits[rule["kind"]] += 1
                return rule
        return None


class Double:
    def __init__(self, log_path, seed):
        self.lock = threading.RLock()
        self.log_path = log_path
        self.description = stripe_form.Description()
        self.account = objects.Account(seed, self.description.version)
        self.sender, self.faults = Sender(), Faults(seed)
        self.account.told = self.sender.told
        self.kept, self.running = {}, set()
        self.count = 0

    def log(self, line):
        with self.lock, open(self.log_path, "a") as file:
            file.write(json.dumps(line) + "\n")

    def run(self, template, ids, parameters):
        """The answer of a request that is in order; a refusal leaves the account as it was."""
        handler = objects.ROUTES[template]
        answer = handler(self.account, ids, parameters)
        shown = answer if answer.get("object") == "list" or "id" not in answer or answer.get("deleted") else self.account.view(answer)
        return self.account.expand(shown, parameters.get("expand"))

    # What a test orders.  Each takes the JSON object's members as named arguments.

    def admin_state(self):
        """Every object, by kind; events are at GET /v1/events."""
        return {kind: [self.full(o) for o in held.values()] for kind, held in self.account.objects.items() if kind != "event"}

    def admin_find(self, key):
        """The one object, not canceled, whose metadata have this gbill_key."""
        found = [o for kind, held in self.account.objects.items() for o in held.values()
                 if kind not in ("event", "line_item") and o.get("metadata", {}).get("gbill_key") == key and o.get("status") != "canceled"]
        if len(found) != 1:
            raise ValueError(f"{len(found)} objects of {key}")
        return {"id": found[0]["id"]}

    def full(self, obj):
        shown = self.account.view(obj)
        if "_lines" in obj:
            shown["lines"]["data"] = [self.account.view(line) for line in obj["_lines"]]
        return shown

    def admin_clock(self, shift=None, freeze=None):
        """Be ahead by so many seconds, or stand still at a time; without either as it was.  Signatures are of the real time."""
        if shift is not None:
            self.account.shift = shift
        self.account.frozen = freeze
        return {"now": self.account.now()}

    def admin_tick(self):
        """Do what Stripe does by itself: renew, end trials, charge what advances."""
        subscriptions.tick(self.account)
        return {"now": self.account.now()}

    def admin_settings(self, **settings):
        """minimum: the least amount that is charged; portal: is it set up; auto_pay: charge at finalize."""
        self.account.settings.update(settings)
        return self.account.settings

    def admin_webhook(self, url=None, secret=None, hold=None, tries=None):
        for name, value in (("url", url), ("secret", secret), ("hold", hold), ("tries", tries)):
            if value is not None:
                setattr(self.sender, name, value)
        return {"held": len(self.sender.held)}

    def admin_release(self, seed=None, duplicate=0.0, keep=0):
        return {"released": self.sender.release(seed, duplicate, keep)}

    def admin_faults(self, rules=(), clear=False):
        if clear:
            self.faults.rules.clear()
        for rule in rules:
            self.faults.add(rule)
        return {"hits": dict(self.faults.hits), "rules": len(self.faults.rules)}

    def admin_card(self, customer, works=True):
        """The customer gives a card, which becomes the default one."""
        return objects.add_card(self.account, self.account.get("customer", customer), works)

    def admin_checkout(self, session, works=True):
        objects.checkout_complete(self.account, self.account.get("checkout.session", session), works)
        return {}

    def admin_do(self, request, params=None):
        """As if somebody did it in the dashboard or the portal: {"request": "POST /v1/...", "params": tree}."""
        method, path = request.split(" ")
        template, ids, wanted = self.description.find(method, path)
        return self.run(template, ids, self.description.typed(params or {}, wanted))

    def admin_refund(self, invoice, amount, status="succeeded"):
        charge = invoices.charge_of(self.account, self.account.get("invoice", invoice))
        return invoices.refund(self.account, charge, amount, status)

    def admin_refund_fails(self, refund):
        invoices.refund_fails(self.account, self.account.get("refund", refund))
        return {}

    def admin_dispute(self, invoice, amount=None, status="needs_response"):
        charge = invoices.charge_of(self.account, self.account.get("invoice", invoice))
        return invoices.dispute_open(self.account, charge, amount or charge["amount"], status)

    def admin_dispute_becomes(self, dispute, status):
        invoices.dispute_change(self.account, self.account.get("dispute", dispute), status)
        return {}

    def admin_alter(self, kind, id, fields):
        """Change an object by hand, unseen: what a reconciliation is to find."""
        self.account.get(kind, id).update(fields)
        return {}


NAMES = [name[6:] for name in dir(Double) if name.startswith("admin_")]


class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True  # an answer is two writes

    def log_message(self, *_):
        pass

    def answer(self, status, body, headers=(), half=False):
        data = json.dumps(body, indent=2).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, str(value))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:len(data) // 2] if half else data)
        if half:
            self.cut()

    def cut(self):
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def check_headers(self, method, body):
        scheme, _, key = self.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not re.fullmatch(r"(sk|rk)_(test|live)_\w+", key) or key == "sk_test_wrong":
            raise Refusal(401, f"Invalid API Key provided: {key[:8]}{'*' * 12}{key[-4:]}", saved=False)
        if key == "rk_test_poor":
            raise Refusal(403, "The provided key does not have the permissions that this needs", "more_permissions_required", saved=False)
        if self.headers.get("Stripe-Version") != double.description.version:
            raise Refusal(400, f"Invalid Stripe API version: {self.headers.get('Stripe-Version')}", saved=False)
        if method == "POST" and body and self.headers.get_content_type() != "application/x-www-form-urlencoded":
            raise Refusal(400, "Invalid request: Content-Type " + self.headers.get_content_type(), saved=False)
        key = self.headers.get("Idempotency-Key")
        if method == "POST" and (not key or len(key) > 255):
            raise Refusal(400, "the double wants an Idempotency-Key of 1 to 255 characters at each POST", saved=False)

    def handle_request(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf-8", "replace")
        path, _, query = self.path.partition("?")
        if path.startswith("/admin/"):
            return self.admin(path[7:], body)
        with double.lock:
            double.count = count = double.count + 1
            request_id = f"req_{count:014d}"
            fault = double.faults.find(f"{self.command} {path}")
        key = self.headers.get("Idempotency-Key") if self.command == "POST" else None
        line = {"n": count, "method": self.command, "path": path, "params": {}, "pairs": [], "key": key, "request": request_id,
                "version": self.headers.get("Stripe-Version"), "type": self.headers.get("Content-Type"),
                "fault": fault and fault["kind"], "replayed": False}
        kind = fault["kind"] if fault else ""
        if kind in ("cut", "status"):
            double.log({**line, "status": fault["status"] if kind == "status" else None})
            return self.cut() if kind == "cut" else self.fail(fault)
        status, answer, line = self.outcome(path, body if self.command == "POST" else query, line, key, fault)
        double.log({**line, "status": status})
        if kind == "slow_after":
            time.sleep(fault["seconds"])
        if kind == "cut_after":
            return self.cut()
        if kind in ("status_after", "status_kept"):
            return self.fail(fault)
        headers = [("Request-Id", request_id), ("Stripe-Version", double.description.version)]
        if key:
            headers += [("Idempotency-Key", key)] + ([("Idempotent-Replayed", "true")] if line["replayed"] else [])
        return self.answer(status, answer, headers, kind == "cut_half")

    def fail(self, fault):
        headers = [(n, v) for n, v in (("Retry-After", fault["retry_after"]), ("Stripe-Should-Retry", fault["should_retry"])) if v is not None]
        self.answer(fault["status"], self.fault_error(fault), headers)

    @staticmethod
    def fault_error(fault):
        kind, code = {429: ("invalid_request_error", "rate_limit"), 409: ("invalid_request_error", "lock_timeout")}.get(
            fault["status"], ("api_error", None))
        return {"error": {"type": kind, **({"code": code} if code else {}), "message": "by order of the test"}}

    def outcome(self, path, form, line, key, fault):
        """Status and answer, of now or of the first request with this key; and the line for the log."""
        method, kept_as = self.command, None
        try:
            self.check_headers(method, form)
            pairs = stripe_form.pairs(form)
            tree = stripe_form.tree(pairs)
            line = {**line, "pairs": pairs, "params": tree}
            kept_as = key and (method, path, sorted(pairs))
            with double.lock:
                if key and key in double.running:
                    raise Refusal(409, "a request with this Idempotency-Key is running", "idempotency_key_in_use", kind="idempotency_error", saved=False)
                first = double.kept.get(key)
                if first and first[0] + KEPT_SECONDS > double.account.now():
                    if first[1] != kept_as:
                        raise Refusal(400, f"Keys for idempotent requests go with one request only; '{key}' was first of another",
                                      kind="idempotency_error", saved=False)
                    return first[2], first[3], {**line, "replayed": True}
                double.running.add(key)
            try:
                if fault and fault["kind"] == "slow":
                    time.sleep(fault["seconds"])
                template, ids, wanted = double.description.find(method, path)
                parameters = double.description.typed(tree, wanted)
                with double.lock:
                    double.account.request = {"id": line["request"], "idempotency_key": key}
                    try:
                        status, answer = 200, double.run(template, ids, parameters)
                    finally:
                        double.account.request = {"id": None, "idempotency_key": None}
            finally:
                with double.lock:
                    double.running.discard(key)
        except Refusal as refusal:
            status, answer = refusal.status, {"error": {**refusal.error, "request_log_url": "https://dashboard.stripe.com/test/logs/" + line["request"]}}
            if not refusal.saved:
                return status, answer, line
        except Exception:  # a defect of the double: seen, and never taken for Stripe's answer
            traceback.print_exc()
            return 599, {"error": {"type": "api_error", "message": "the double itself failed"}}, line
        if key:
            kept = (500, self.fault_error(fault)) if fault and fault["kind"] == "status_kept" else (status, answer)
            with double.lock:
                double.kept[key] = (double.account.now(), kept_as, *kept)
        return status, answer, line

    def admin(self, name, body):
        try:
            with double.lock:
                if name == "settle":
                    action = None
                elif name in NAMES:
                    action = getattr(double, "admin_" + name)
                    answer = action(**json.loads(body or "{}"))
                else:
                    return self.answer(404, {"error": f"no {name}; there is settle, {', '.join(NAMES)}"})
            if name == "settle":  # not under the lock: what receives the events may ask us
                answer = double.sender.settle()
            if "object" in answer and "id" in answer:
                answer = {k: v for k, v in answer.items() if not k.startswith("_")}
            self.answer(200, answer)
        except (Refusal, TypeError, ValueError, KeyError, AttributeError) as error:
            self.answer(400, {"error": f"{type(error).__name__}: {error}"})

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = handle_request


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, address):
        error = sys.exc_info()[1]
        if not isinstance(error, (OSError, ValueError)):  # a client that went away is what some tests are about
            super().handle_error(request, address)


log_path, port_path = sys.argv[1:3]
double = Double(log_path, sys.argv[3] if len(sys.argv) > 3 else "1")
server = Server(("127.0.0.1", 0), Api)
with open(port_path + ".new", "w") as f:
    f.write(str(server.server_address[1]))
os.rename(port_path + ".new", port_path)
server.serve_forever()
