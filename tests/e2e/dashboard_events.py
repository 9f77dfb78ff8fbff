#!/usr/bin/env python3
"""dashboard_events.py NOW - events of 34 days before NOW (epoch seconds), one JSON object a line, for
dashboard.sh: an office that works by day and rests at weekends, a loop of three hours ten days ago, a
budget, an adjustment, names that try to get out of their place, and an organization without prices."""
import datetime
import json
import sys

NOW = int(sys.argv[1])
HOUR = 3600
MODELS = [("anthropic", "claude-4-sonnet-20250514", 9), ("openai", "gpt-4o", 6), ("openai", "gpt-4o-mini", 40)]
HOSTILE = '<script>alert("x")</script>'
PROJECTS = ["assistant", "search & rank", HOSTILE, "מחקר \u202eevil", "翻訳サービス・とても長い名前のもの"]
number = 0


def event(kind, at, **fields):
    global number
    number += 1
    print(json.dumps({"kind": kind, "id": f"d{number}", "createdAt": at * 1000, **fields}))


def usage(organization, at, provider, model, tokens, project="assistant", user="ana"):
    event("usage", at, organizationId=organization, userId=user, projectId=project, type="chat",
          provider=provider, model=model, inputTokens=tokens * 4, outputTokens=tokens, latencyMs=900)


start = NOW // HOUR * HOUR - 34 * 24 * HOUR
for hour in range(start, NOW, HOUR):
    t = datetime.datetime.fromtimestamp(hour, datetime.timezone.utc)
    busy = 1 if t.weekday() > 4 else 3 + 7 * (8 <= t.hour < 18) + 4 * (10 <= t.hour < 13)
    for i, (provider, model, weight) in enumerate(MODELS):
        noise = (t.day * 7 + t.hour * 5 + i * 3) % 5
        usage("acme", hour + 1, provider, model, weight * busy * (800 + 90 * noise),
              PROJECTS[(t.hour + i) % len(PROJECTS)], f"user-{(t.day * t.hour + i) % 17:02}")
    usage("dark", hour + 1, "nobody", "unheard-of-1", 1000 * busy)
loop = NOW // HOUR * HOUR - 10 * 24 * HOUR
for minute in range(0, 180):
    usage("acme", loop + minute * 60, "anthropic", "claude-4-sonnet-20250514", 60000, "assistant", "user-03")
event("budget", NOW - 20, organizationId="acme", monthlyBudget=300000)
event("adjustment", NOW - 2 * 24 * HOUR, organizationId="acme", amount=-2500, currency="USD", reason="faulty run")
event("budget", NOW - 20, organizationId="idle", monthlyBudget=1000)
