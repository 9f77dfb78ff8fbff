#!/usr/bin/python3
"""Calls that tell their bytes and their tokens, and what is to be learned from them, by another way.

Usage: sized_calls.py make TRACES DIR     write DIR/told.jsonl, DIR/untold.jsonl, DIR/truth.json
       sized_calls.py check DIR           hold DIR/ratios.json and DIR/usage.json (gbill's) against them

Tokens are those of real traces (Azure); bytes are made up: 3.8 a token for one model and 4.4 for the
other, give or take a log-normal spread, the same for the same seed.  told.jsonl has calls of the last
three weeks, some of them no evidence; untold.jsonl has calls of today with bytes and no counts, whose
counts only truth.json knows.
"""
import csv
import json
import math
import random
import sys
import time

DAY_MS = 86400000
SIDES = ("input", "output")


def calls_of(path, model, bytes_per_token, spread, rng):
    for row in csv.DictReader(open(path)):
        call = {"model": model, "inputTokens": int(row["ContextTokens"]), "outputTokens": int(row["GeneratedTokens"])}
        for side in SIDES:
            noise = math.exp(rng.gauss(0, spread))
            call[side + "Bytes"] = max(1, round(call[side + "Tokens"] * bytes_per_token * noise))
        yield call


def make(traces, where):
    rng = random.Random(20261129)
    now = int(time.time() * 1000)
    calls = list(calls_of(traces + "/AzureLLMInferenceTrace_conv.csv", "claude-sonnet-4-5", 3.8, 0.15, rng))
    calls += calls_of(traces + "/AzureLLMInferenceTrace_code.csv", "claude-haiku-4-5", 4.4, 0.3, rng)
    rng.shuffle(calls)
    told, untold, truth = [], [], []
    for n, call in enumerate(calls[:12000]):
        event = {"id": f"c{n}", "organizationId": "o", "userId": "u", "type": "chat", "provider": "anthropic", **call}
        if n % 3 == 0:
            truth.append(call)
            del event["inputTokens"], event["outputTokens"]
            untold.append(dict(event, createdAt=now))
            continue
        event["createdAt"] = now - rng.randrange(1, 20) * DAY_MS
        odd = rng.randrange(20)
        event.update({0: {"status": "error"}, 1: {"estimated": True}, 2: {"webSearches": 1}, 3: {"outputBytes": 0},
                      4: {"status": 200}, 5: {"estimated": False}}.get(odd, {}))
        if odd == 6:
            del event["inputBytes"]
        told.append(event)
        if odd == 7:  # it came twice
            told.append(event)
    voided = {e["id"] for e in told[::50]}
    told += [{"id": "void-" + i, "organizationId": "o", "voids": i, "at": now} for i in sorted(voided)]
    for name, lines in (("told", told), ("untold", untold)):
        with open(f"{where}/{name}.jsonl", "w") as f:
            f.writelines(json.dumps(line) + "\n" for line in lines)
    json.dump({"truth": truth, "voided": sorted(voided), "now": now}, open(where + "/truth.json", "w"))


def nearest(bytes_, ratio):
    """bytes x tokens / bytes, halves up, at least 1."""
    return max(1, (2 * bytes_ * ratio["tokens"] + ratio["bytes"]) // (2 * ratio["bytes"]))


def learn(events, voided):
    """What the page says, a list at a time."""
    lists, seen = {}, set()
    for e in events:
        if "voids" in e or e["id"] in seen:
            continue
        seen.add(e["id"])
        if e["id"] in voided or e.get("status") == "error" or e.get("estimated") or e.get("webSearches"):
            continue
        for side in SIDES:
            if e.get(side + "Bytes") and e[side + "Tokens"]:
                lists.setdefault((e["model"], side), []).append((e[side + "Bytes"], e[side + "Tokens"]))
    rows = {}
    for key, pairs in lists.items():
        row = {"calls": len(pairs), "bytes": sum(b for b, _ in pairs[::2]), "tokens": sum(t for _, t in pairs[::2])}
        errors = sorted(-(-abs(t - nearest(b, row)) * 1000 // nearest(b, row)) for b, t in pairs[1::2])
        row["perMille"] = errors[math.ceil(95 * (len(errors) + 1) / 100) - 1]
        rows[key] = row
    return rows


def check(where):
    told = [json.loads(line) for line in open(where + "/told.jsonl")]
    untold = [json.loads(line) for line in open(where + "/untold.jsonl")]
    known = json.load(open(where + "/truth.json"))
    want = learn(told, set(known["voided"]))
    got = {(r["model"], r["side"]): r for r in json.load(open(where + "/ratios.json"))}
    if set(got) != set(want):
        sys.exit(f"learned of {sorted(got)}, expected {sorted(want)}")
    for key, row in want.items():
        r = got[key]
        same = all(r[k] == row[k] for k in ("calls", "bytes", "tokens"))
        if not same or float(r["errorPercent"]) * 10 != row["perMille"]:
            sys.exit(f"{key}: {r}, expected {row}")
    sums, inside, total = {}, {}, {}
    for event, truth in zip(untold, known["truth"]):
        for side in SIDES:
            row, key = want[event["model"], side], (event["model"], side)
            estimate = nearest(event[side + "Bytes"], row)
            sums[key] = sums.get(key, 0) + estimate
            total[key] = total.get(key, 0) + truth[side + "Tokens"]
            count = inside.setdefault(key, [0, 0])
            count[0] += abs(truth[side + "Tokens"] - estimate) * 1000 <= row["perMille"] * estimate
            count[1] += 1
    usage = {r["model"]: r for r in json.load(open(where + "/usage.json"))}
    for (model, side), tokens in sorted(sums.items()):
        if usage[model][side] != tokens:
            sys.exit(f"{model}: {side} is {usage[model][side]}, expected {tokens}")
        held, calls = inside[model, side]
        off = tokens / total[model, side] - 1
        print(f"{model} {side}: bound {want[model, side]['perMille'] / 10} % held for {held} of {calls} calls that were "
              f"not learned from ({100 * held / calls:.1f} %); their sum is off by {100 * off:+.2f} %")
        # Three standard deviations below 95 %, and the calls are the same in each run.
        if held < 0.95 * calls - 3 * math.sqrt(0.05 * 0.95 * calls) or abs(off) > 0.05:
            sys.exit(f"{model} {side}: the bound does not hold")


if sys.argv[1] == "make":
    make(*sys.argv[2:])
else:
    check(*sys.argv[2:])
