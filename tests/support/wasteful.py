#!/usr/bin/env python3
"""Usage events of organizations that each waste money in one way, as JSON lines for
gbill send, and what gbill optimize must say of them.

    wasteful.py DAY prices             the price book that the amounts are worked out by
    wasteful.py DAY events [COPIES]    the events of DAY (YYYY-MM-DD)
    wasteful.py DAY expected [COPIES]  organization, type, saving, savingNotInOthers in
                                       dollars, calls
"""
import json
import sys
from datetime import datetime, timedelta, timezone

# Dollars per million tokens.
RATES = {
    ("openai", "big", "standard"): {"input": 5, "cache_read": 1, "output": 20},
    ("openai", "big", "batch"): {"input": 2, "cache_read": 1, "output": 10},
    ("openai", "big", "flex"): {"input": 3, "cache_read": 1, "output": 12},
    ("openai", "big", "priority"): {"input": 10, "cache_read": 2, "output": 40},
    ("openai", "small", "standard"): {"input": 1, "cache_read": 1, "output": 4},
    ("openai", "mid", "standard"): {"input": 5, "cache_read": 1, "output": 20},
    ("openai", "mid", "priority"): {"input": 10, "cache_read": 1, "output": 40},
    ("anthropic", "claude", "standard"): {
        "input": 4, "cache_read": 1, "cache_write": 5, "cache_write_1h": 8, "output": 20},
}
BAND = {"input_tokens": 200000, "op": ">", "scope": "request",
        "rates": {"input": "10", "cache_read": "2", "output": "30"}}
MICRO = 10**6  # picos of a token at one dollar per million


def prices():
    models = []
    for provider, model in (("openai", "big"), ("openai", "small"), ("openai", "mid"),
                            ("anthropic", "claude")):
        rows = []
        for tier in ("standard", "batch", "flex", "priority"):
            rates = RATES.get((provider, model, tier))
            if rates is None:
                continue
            row = {"from": None, "recorded": "2026-01-01", "tier": tier,
                   "rates": {k: str(v) for k, v in rates.items()}}
            if (model, tier) == ("big", "standard"):
                row["bands"] = [BAND]
            rows.append(row)
        models.append({"provider": provider, "model": model, "prices": rows})
    return {"format": "gbill-prices/1", "currency": "USD", "unit": "1000000 tokens", "models": models}


class Maker:
    def __init__(self, day, suffix):
        self.suffix = suffix
        self.start = datetime.fromisoformat(day).replace(tzinfo=timezone.utc)
        self.events = []
        self.expected = []

    def call(self, org, kind, second, model="big", tokens_in=0, out=0, usage=None, **more):
        org += self.suffix
        provider = "anthropic" if model == "claude" else "openai"
        event = {"kind": "usage", "id": f"{org}-{kind}-{len(self.events)}", "organizationId": org,
                 "userId": "u", "type": kind, "provider": provider, "model": model,
                 "createdAt": (self.start + timedelta(seconds=second)).isoformat()}
        if usage is None:
            event.update(inputTokens=tokens_in, outputTokens=out)
        else:
            event["usage"] = usage
        metadata = {k: v for k, v in more.items() if k not in ("status", "serviceTier")}
        event.update({k: v for k, v in more.items() if k in ("status", "serviceTier")})
        if metadata:
            event["metadata"] = metadata
        self.events.append(event)

    def expect(self, org, kind, saving, share, calls):
        self.expected.append((org + self.suffix, kind, saving, share, calls))

    def filler(self, org, seconds, count=1, model="big", **more):
        """What wastes nothing: one uneven call, so that the rest is not all there is."""
        for i in range(count):
            self.call(org, "filler", seconds + i * i * 7, model=model, tokens_in=1000, out=1000, **more)


def make(m):
    # Nobody waits for them: 40 calls; batch saves 3*1000 + 10*100 of each, flex 2*1000 + 8*100.
    for i in range(40):
        m.call("batchy", "nightly", i * i, tokens_in=1000, out=100, interactive=False)
    m.expect("batchy", "batch", 40 * 4000, 40 * 4000, 40)
    # A model without batch or flex, paid at priority: the standard tier costs half.
    for i in range(20):
        m.call("prior", "report", i * i, model="mid", tokens_in=1000, out=100, interactive=False,
               serviceTier="priority")
    m.expect("prior", "service-tier", 20 * 7000, 20 * 7000, 20)
    # The same prefix of 2,000 tokens, every minute 30 times: OpenAI writes for nothing.
    for i in range(30):
        m.call("cachy", "chat", i * 60 + i % 7, tokens_in=2500, out=10, prefixHash="p1",
               prefixTokens=2000)
    m.expect("cachy", "cache-prompt", 29 * 2000 * 4, 29 * 2000 * 4, 29)
    # Anthropic: prefix 8,000, twenty calls a minute apart: one write (+1), 19 reads (-3).
    for i in range(20):
        m.call("marky", "chat", i * 60 + i % 5, model="claude", tokens_in=9000, out=10,
               prefixHash="q", prefixTokens=8000)
    m.expect("marky", "cache-prompt", (19 * 3 - 1) * 8000, (19 * 3 - 1) * 8000, 19)
    # Written and never read: 25 calls, each paid 5 instead of 4 for 10,000 tokens.
    for i in range(25):
        m.call("unready", "once", i * i * 11, model="claude",
               usage={"input_tokens": 100, "cache_creation_input_tokens": 10000,
                      "cache_read_input_tokens": 0, "output_tokens": 10})
    m.expect("unready", "cache-unread", 25 * 10000, 25 * 10000, 25)
    # A conversation every ten minutes writes 10,000 tokens each time; an hour's life would
    # write them once (+3) and read them then (-4).
    for i in range(20):
        m.call("lively", "chat", i * 600 + i % 3, model="claude", conversationId="c",
               usage={"input_tokens": 100, "cache_creation_input_tokens": 10000,
                      "cache_read_input_tokens": 0, "output_tokens": 10})
    m.expect("lively", "cache-life", (19 * 4 - 3) * 10000, (19 * 4 - 3) * 10000, 19)
    # The other way round: one-hour writes that are used every two minutes, at 8 instead of 5.
    for i in range(20):
        m.call("brief", "chat", i * 120 + i % 3, model="claude", conversationId="b",
               usage={"input_tokens": 100, "output_tokens": 10,
                      "cache_read_input_tokens": 10000 if i else 0,
                      "cache_creation_input_tokens": 1000 if i else 10000,
                      "cache_creation": {"ephemeral_5m_input_tokens": 0,
                                         "ephemeral_1h_input_tokens": 1000 if i else 10000}})
    m.expect("brief", "cache-life", 29000 * 3, 29000 * 3, 20)
    # Just above the threshold: 205,000 tokens cost 10 each and 30 of output.
    for i in range(5):
        m.call("longy", "read", i * i * 100, tokens_in=205000, out=1000)
    m.expect("longy", "long-context", 5 * (205000 * 10 + 1000 * 30 - 200000 * 5 - 1000 * 20),
             5 * (205000 * 10 + 1000 * 30 - 200000 * 5 - 1000 * 20), 5)
    # Ten failed calls, and five that ask again what was answered a minute before.
    for i in range(10):
        m.call("retry", "ask", i * i * 90, tokens_in=1000, out=0, status="failed")
    for i in range(5):
        m.call("retry", "ask", 20000 + i * i * 1000, tokens_in=1000, out=100, promptHash=f"h{i}")
        m.call("retry", "ask", 20060 + i * i * 1000, tokens_in=1000, out=100, promptHash=f"h{i}")
    m.expect("retry", "retries", 10 * 5000 + 5 * 7000, 10 * 5000 + 5 * 7000, 15)
    # Cut short, and asked again: the first is waste.  The last one is not asked again.
    for i in range(6):
        m.call("cutty", "write", i * i * 1000, tokens_in=1000, out=500, promptHash=f"t{i}",
               finishReason="length")
        if i < 5:
            m.call("cutty", "write", i * i * 1000 + 60, tokens_in=1000, out=900, promptHash=f"t{i}",
                   finishReason="stop")
    m.expect("cutty", "truncation", 5 * (5000 + 10000), 5 * (5000 + 10000), 5)
    # Simple calls on the big model, of a type that the small one serves too.
    for i in range(30):
        m.call("modely", "label", i * i * 13, tokens_in=1000, out=10)
        m.call("modely", "label", i * i * 17, model="small", tokens_in=1000, out=10)
    m.expect("modely", "model", 30 * (1000 * 4 + 10 * 16), 0, 30)
    # Twenty turns, each 1,000 tokens longer: from turn 11 on what is beyond turn 10.
    for i in range(20):
        m.call("growy", "talk", i * 900 + i * i, tokens_in=1000 * (i + 1), out=600, conversationId="g")
    grown = sum(1000 * k for k in range(1, 11)) * 5
    m.expect("growy", "context-growth", grown, 0, 10)
    # Three types reason to a tenth, a fifth and a half of their output.
    for kind, part in (("a", 100), ("b", 200), ("c", 500)):
        for i in range(25):
            m.call("thinky", kind, i * i * 19, usage={
                "prompt_tokens": 1000, "completion_tokens": 1000,
                "completion_tokens_details": {"reasoning_tokens": part}})
    # usual: 200 of 1,000; beside 500 of answer that is 125: 375 of each call less
    m.expect("thinky", "reasoning", 25 * 375 * 20, 0, 25)
    # Nobody waits, and a third failed: those are given to retries, whole, and not to batch.
    for i in range(30):
        m.call("overlap", "nightly", i * i * 3, tokens_in=1000, out=0 if i % 3 == 0 else 100,
               interactive=False, **({"status": "failed"} if i % 3 == 0 else {}))
    m.expect("overlap", "batch", 20 * 4000 + 10 * 3000, 20 * 4000, 30)
    m.expect("overlap", "retries", 10 * 5000, 10 * 5000, 10)
    # A machine's even calls, every 30 s exactly, of which nothing is said.
    for i in range(60):
        m.call("cron", "poll", i * 30, tokens_in=1000, out=100)
    m.expect("cron", "batch", 60 * 4000, 60 * 4000, 60)
    # What wastes nothing.
    m.filler("thrifty", 0, count=10)


def dollars(picos):
    text = f"{picos // 10**12}.{picos % 10**12:012d}".rstrip("0")
    return text.rstrip(".")


def main():
    day, what = sys.argv[1:3]
    copies = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    if what == "prices":
        json.dump(prices(), sys.stdout)
        return
    events, expected = [], []
    for copy in range(copies):
        m = Maker(day, f"-{copy}")
        make(m)
        events += m.events
        expected += m.expected
    if what == "events":
        for event in sorted(events, key=lambda e: e["createdAt"]):
            print(json.dumps(event))
    elif what == "expected":
        for org, kind, saving, share, calls in sorted(expected):
            print(f"{org},{kind},{dollars(saving * MICRO)},{dollars(share * MICRO)},{calls}")


main()
