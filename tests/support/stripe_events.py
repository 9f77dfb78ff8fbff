"""Sends stripe_server.py's events as webhooks: signed, again until the answer is 2xx, in whatever order is asked for.

The signature is "t=SECONDS,v1=HEX", HEX the HMAC-SHA256 of "SECONDS.BODY" under the endpoint's secret.  Events can
be held; release() then sends what is held: shuffled, some of them twice, as its seed says.
"""
import hashlib
import hmac
import json
import queue
import random
import threading
import time
import urllib.error
import urllib.request


class Sender:
    def __init__(self):
        self.url = self.secret = None
        self.hold, self.held, self.tries, self.pause = False, [], 12, 0.05
        self.sent = self.failed = 0
        self.last_refusal = None
        self.signed = {}
        self.waiting = queue.Queue()
        threading.Thread(target=self.work, daemon=True).start()

    def told(self, event):
        if self.hold:
            self.held.append(event)
        elif self.url:
            self.waiting.put(event)

    def work(self):
        while True:
            event = self.waiting.get()
            for _ in range(self.tries):
                if self.deliver(event):
                    break
                time.sleep(self.pause)
            self.waiting.task_done()

    def deliver(self, event):
        """True when it was taken."""
        body = json.dumps(event, indent=2).encode()  # Stripe's are indented too: the raw bytes count
        # Each attempt has a second of its own, as Stripe's have, which come minutes apart.
        t = self.signed[event["id"]] = min(int(time.time()), self.signed.get(event["id"], 1 << 40) - 1)
        mac = hmac.new(self.secret.encode(), b"%d." % t + body, hashlib.sha256).hexdigest()
        request = urllib.request.Request(self.url, body, {
            "Content-Type": "application/json; charset=utf-8", "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": f"t={t},v1={mac},v0={'0' * 64}"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                taken = 200 <= answer.status < 300
        except urllib.error.HTTPError as error:
            taken, self.last_refusal = False, f"{event['type']}: {error.code} {error.read(2000).decode('utf-8', 'replace')}"
        except (urllib.error.URLError, OSError) as error:
            taken, self.last_refusal = False, f"{event['type']}: {error}"
        self.sent += taken
        self.failed += not taken
        return taken

    def release(self, seed=None, duplicate=0.0, keep=0):
        """Send what is held but the last `keep` of the order; how many."""
        events, chance = self.held, random.Random(seed)
        if seed is not None:
            events = events + [e for e in events if chance.random() < duplicate]
            chance.shuffle(events)
        self.held = events[len(events) - keep:] if keep else []
        for event in events[:len(events) - keep]:
            self.waiting.put(event)
        return len(events) - keep

    def settle(self):
        """Wait until all that is to be sent was."""
        self.waiting.join()
        return {"sent": self.sent, "failed": self.failed, "held": len(self.held), "last_refusal": self.last_refusal}
