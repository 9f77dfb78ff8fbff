#!/usr/bin/env bash
# An invoice split by project, user and metadata: the parts add up to the cent whatever came twice,
# was voided or has no project; and no split is given where log and tables disagree.
. "$(dirname "$0")/lib.sh"
begin chargeback
agent_start

# 3,000 calls of acme, 500 of another organization; every 7th without a project, every 5th without
# metadata; teams are texts, a number and a flag.
python3 - >"$dir/calls.jsonl" <<'PY'
import json
for i in range(3500):
    e = {"id": f"e{i}", "organizationId": "acme" if i < 3000 else "other", "userId": f"u{i % 13}", "type": "chat",
         "provider": "openai", "model": "gpt-4o" if i % 3 else "gpt-4o-mini", "inputTokens": 1000 + i * 7 % 9001, "outputTokens": i % 777}
    if i % 7:
        e["projectId"] = f"p{i % 4}"
    if i % 5:
        e["metadata"] = {"team": ["red", "grün", 42, True][i % 4], "other": i}
    print(json.dumps(e))
PY
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
month=$(date -u +%Y-%m)
"$bin/gbill" send --format jsonl "$dir/calls.jsonl" >/dev/null
head -900 "$dir/calls.jsonl" | "$bin/gbill" send --format jsonl - >/dev/null # again
for i in 1 2 3 4 2000; do
    printf '{"id":"v%d","organizationId":"acme","voids":"e%d","at":"%s"}\n' "$i" "$i" "$now"
done | "$bin/gbill" send --kind void --format jsonl - >/dev/null
printf '{"id":"s","organizationId":"acme","plan":"team","effectiveAt":"%s-01"}\n' "$month" |
    "$bin/gbill" send --kind subscription --format jsonl - >/dev/null
"$bin/gbill" rollup >/dev/null
"$bin/gbill" invoice run >/dev/null
"$bin/gbill" chargeback run --json >"$dir/run"
"$bin/gbill" chargeback run --json | grep -q '"computed"' || fail "chargeback run"
for by in project user metadata:team metadata:nothing; do
    "$bin/gbill" chargeback --org acme --month "$month" --by "$by" --json >"$dir/$by.json"
    "$bin/gbill" chargeback --org acme --by "$by" --csv >"$dir/$by.csv"
done
"$bin/gbill" chargeback --org acme --by project | grep -q '^(none) ' || fail "what has no project has no line"
"$bin/gbill" invoice show --org acme --month "$month" --json >"$dir/invoice.json"
"$bin/gbill" report costs --by org --csv >"$dir/costs.csv"
python3 - "$dir" <<'PY' || fail "the parts"
import csv, json, sys
from decimal import Decimal
from fractions import Fraction
d = sys.argv[1]
invoice = json.load(open(d + "/invoice.json"))
invoice = invoice[0] if isinstance(invoice, list) else invoice
total = Decimal(str(invoice["total"]))
calls = [json.loads(l) for l in open(d + "/calls.jsonl")]
calls = [c for i, c in enumerate(calls) if c["organizationId"] == "acme" and i not in (1, 2, 3, 4, 2000)]
price = {"gpt-4o": (Decimal("2.5"), Decimal("10")), "gpt-4o-mini": (Decimal("0.15"), Decimal("0.6"))}
def cost(c):
    i, o = price[c["model"]]
    return (c["inputTokens"] * i + c["outputTokens"] * o) / 1000000
def text(v):
    return "" if v is None else v if isinstance(v, str) else json.dumps(v)
ways = {"project": lambda c: c.get("projectId", ""), "user": lambda c: c["userId"],
        "metadata:team": lambda c: text(c.get("metadata", {}).get("team")), "metadata:nothing": lambda c: ""}
for by, value in ways.items():
    rows = json.load(open(f"{d}/{by}.json"))
    title = "value" if by.startswith("metadata") else by
    assert sum(Decimal(r["amount"]) for r in rows) == total, (by, total)
    want = {}
    for c in calls:
        want.setdefault(value(c), []).append(cost(c))
    got = {r[title]: r for r in rows}
    assert set(got) == set(want), (by, set(got) ^ set(want))
    # Largest remainder, anew: exact fractions of a cent.
    cents, weight = int(total * 100), sum(map(sum, want.values()))
    exact = {v: Fraction(cents) * Fraction(sum(w)) / Fraction(weight) for v, w in want.items()}
    share = {v: e.numerator // e.denominator for v, e in exact.items()}
    order = sorted(exact, key=lambda v: (share[v] - exact[v], v.encode()))
    for v in order[:cents - sum(share.values())]:
        share[v] += 1
    for v, w in want.items():
        assert Decimal(got[v]["llmCost"]) == sum(w) and got[v]["calls"] == len(w), (by, v)
        assert int(Decimal(got[v]["amount"]) * 100) == share[v], (by, v, got[v], share[v])
    assert "" not in got or rows[-1][title] == ""
    assert len(list(csv.DictReader(open(f"{d}/{by}.csv")))) == len(rows)
PY

# ---- another book than that of the folds, a log that is gone ----
status=0
sed 's/"2\.5"/"2.6"/g' schemas/prices.json >"$dir/prices.json"
"$bin/gbill" chargeback --org acme --by metadata:team --prices "$dir/prices.json" >/dev/null 2>"$dir/err" || status=$?
[ "$status" = 7 ] && grep -q 'the price book is not that of the folds' "$dir/err" || fail "another book: $(cat "$dir/err")"
status=0
"$bin/gbill" chargeback --org acme --by team >/dev/null 2>"$dir/err" || status=$?
[ "$status" = 2 ] && grep -q 'metadata:KEY' "$dir/err" || fail "$(cat "$dir/err")"
status=0
"$bin/gbill" chargeback --org acme --month 2020-01 >/dev/null 2>"$dir/err" || status=$?
[ "$status" = 6 ] && grep -q 'no invoice that begins in 2020-01' "$dir/err" || fail "$(cat "$dir/err")"
# ---- spikes, with the same agent: ten steady days, a loop of three hours, another of this minute ----
python3 - >"$dir/steady.jsonl" <<'PY'
import json, time
now = time.time()
hour = int(now) // 3600 * 3600
def call(i, at, tokens, user):
    print(json.dumps({"id": f"s{i}", "organizationId": "spiky", "userId": user, "projectId": "p", "type": "chat",
                      "provider": "openai", "model": "gpt-4o", "inputTokens": tokens, "outputTokens": 0, "createdAt": int(at * 1000)}))
for h in range(1, 241):
    call(h, hour - 3600 * h + 1800, 800000 + h % 3 * 40000, "steady")
for h in range(5, 8):
    call(1000 + h, hour - 3600 * h + 60, 6000000, "looper")
for i in range(40):
    call(2000 + i, now, 400000, "runaway")
PY
"$bin/gbill" send --format jsonl "$dir/steady.jsonl" >/dev/null
"$bin/gbill" rollup >/dev/null
"$bin/gbill" spikes run --json >"$dir/spikes"
"$bin/gbill" spikes list --org spiky --scope organization --json >"$dir/list"
python3 - "$dir" <<'PY' || fail "spikes: $(cat "$dir/spikes" "$dir/list")"
import json, sys
run, rows = json.load(open(sys.argv[1] + "/spikes"))[0], json.load(open(sys.argv[1] + "/list"))
assert run["found"] > 0 and run["bursts"] > 0, run
assert sorted(r["state"] for r in rows) == ["burst", "spike"], rows
spike = next(r for r in rows if r["state"] == "spike")
assert spike["cost"] in ("51.3", "51.2", "51.4", "51.1") and int(spike["percent"]) > 500, spike
PY
id=$(python3 -c 'import json, sys; print(next(r["id"] for r in json.load(open(sys.argv[1])) if r["state"] == "spike"))' "$dir/list")
"$bin/gbill" spikes show "$id" | grep -q 'user looper' || fail "spikes show: $("$bin/gbill" spikes show "$id")"
"$bin/gbill" spikes run >/dev/null
"$bin/gbill" spikes list --org spiky --scope organization --json | cmp -s - "$dir/list" || fail "a second run changed spikes"
# ---- its month's end: by the hours before, the same in every place where it is shown ----
echo '{"id":"fb","organizationId":"spiky","monthlyBudget":100000}' | "$bin/gbill" send --kind budget --format jsonl - >/dev/null
"$bin/gbill" rollup >/dev/null
now=$(date -u +%Y-%m-%dT%H:%M:%SZ) # one time for all of it
"$bin/gbill" forecast run --now "$now" --json >"$dir/forecast"
"$bin/gbill" forecast list --org spiky --json >"$dir/list"
"$bin/gbill" budgets list --now "$now" --json >"$dir/budgets"
python3 - "$dir" <<'PY' || fail "forecast: $(cat "$dir/forecast" "$dir/list" "$dir/budgets")"
import json, sys
from decimal import Decimal as D
run, rows, budgets = (json.load(open(sys.argv[1] + "/" + f)) for f in ("forecast", "list", "budgets"))
row, budget = rows[0], next(b for b in budgets if b["organization"] == "spiky")
assert run[0]["made"] > 0 and len(rows) == 1 and row["historyDays"] == 10, (run, rows)
cost, expected, low, high = (D(row[k]) for k in ("cost", "expectedCost", "lowCost", "highCost"))
assert 0 < cost <= low <= expected <= high, row
assert row["calls"] <= row["lowCalls"] <= row["expectedCalls"] <= row["highCalls"], row
assert abs(D(budget["forecast"]) - expected) <= D("0.005"), (budget, row)
PY
"$bin/gbill" forecast show spiky | grep -q "at the month's end, four times in five" || fail "forecast show: $("$bin/gbill" forecast show spiky)"
"$bin/gbill" forecast list --csv | head -1 | grep -q '^organization,month,currency,cost,expectedCost,' || fail "forecast list --csv"
[ "$("$bin/gbill" forecast run --now "$now" --json | grep -o '"made":[0-9]*')" = '"made":0' ] || fail "a second run made forecasts anew"
status=0
"$bin/gbill" forecast show nobody >/dev/null 2>"$dir/err" || status=$?
[ "$status" = 6 ] || fail "forecast show nobody: $status $(cat "$dir/err")"
status=0
"$bin/gbill" forecast list --month 2026-13 >/dev/null 2>"$dir/err" || status=$?
[ "$status" = 2 ] && grep -q 'no month such as 2026-11' "$dir/err" || fail "$status $(cat "$dir/err")"
echo "project, user, metadata: parts add up to $(python3 -c 'import json,sys
i = json.load(open(sys.argv[1])); i = i[0] if isinstance(i, list) else i
print(i["total"])' "$dir/invoice.json")"
