#!/usr/bin/env bash
# gbill report dashboard from events to what a person sees: the figures are those of the other reports,
# the file is whole or not there, names cannot get out of their place; and a browser without a network
# finds nothing missing, nothing sticking out, nothing too pale.
. "$(dirname "$0")/lib.sh"
begin dashboard
agent_start
now=$(date +%s)
tests/e2e/dashboard_events.py "$now" >"$dir/events.jsonl"
gbill send "$dir/events.jsonl" >/dev/null
gbill rollup >/dev/null 2>&1
at=$(date -u -d "@$now" +%FT%TZ)
from=$(date -u -d "@$((now - 20 * 86400))" +%F) to=$(date -u -d "@$((now + 86400))" +%F)
gbill spikes run >/dev/null
gbill forecast run --now "$at" >/dev/null
gbill optimize run --now "$at" >/dev/null
gbill budgets --now "$at" >/dev/null
agent_stop

# ---- what it says is what the other reports say ----
gbill report dashboard --org acme --now "$at" -o "$dir/acme.html"
gbill report dashboard --org acme --now "$at" --from "$from" --to "$to" -o "$dir/days.html"
gbill report dashboard --org dark --now "$at" -o "$dir/dark.html"
gbill report dashboard --org idle --now "$at" -o "$dir/idle.html"
gbill report costs --org acme --by day --from "$from" --to "$to" --json >"$dir/by_day"
gbill report costs --org acme --by provider,model --from "$from" --to "$to" --json >"$dir/by_model"
gbill spikes list --org acme --json >"$dir/spikes"
gbill forecast list --org acme --json >"$dir/forecast"
python3 - "$dir" <<'PY' || fail "the figures are not those of the other reports"
import html.parser, json, re, sys
from decimal import Decimal
dir = sys.argv[1]

class Tables(html.parser.HTMLParser):
    """caption -> rows of cells; every element is closed in its turn."""
    VOID = {"meta", "br", "line", "rect"}
    def __init__(self, path):
        super().__init__()
        self.tables, self.open, self.cell, self.caption = {}, [], None, None
        self.feed(open(path, encoding="utf-8").read())
        assert self.open == [], self.open
    def handle_starttag(self, tag, attrs):
        if tag not in {"meta", "br"}:
            self.open.append(tag)
        if tag in ("td", "th", "caption"):
            self.cell = ""
        if tag == "tr":
            self.row = []
    def handle_startendtag(self, tag, attrs):
        pass
    def handle_data(self, data):
        if self.cell is not None:
            self.cell += data
    def handle_endtag(self, tag):
        assert self.open.pop() == tag, (tag, self.open)
        if tag == "caption":
            self.caption, self.cell = self.cell, None
            self.tables[self.caption] = []
        elif tag in ("td", "th"):
            self.row.append(self.cell)
            self.cell = None
        elif tag == "tr":
            self.tables[self.caption].append(self.row)

def number(text):
    return Decimal(text.replace(",", ""))

days = Tables(f"{dir}/days.html").tables
costs = json.load(open(f"{dir}/by_day"))
used = [row for row in days["Usage by day"][1:-1] if row[2] != "0"]
assert [number(r[1]) for r in used] == [Decimal(c["cost"]) for c in costs], (used, costs)
assert [number(r[2]) for r in used] == [c["calls"] for c in costs]
total = sum(Decimal(c["cost"]) for c in costs)
assert number(days["Usage by day"][-1][1]) == total
week = next(rows for caption, rows in days.items() if "hour of the week" in caption)
assert sum(number(cell) for row in week[1:] for cell in row[1:]) == total
models = {(r[1], r[0]): number(r[2]) for r in days["Usage by model"][1:-1]}
assert models == {(m["provider"], m["model"]): Decimal(m["cost"]) for m in json.load(open(f"{dir}/by_model"))}
for caption in ("Usage by project", "Usage by user"):
    assert sum(number(r[1]) for r in days[caption][1:-1]) == total == number(days[caption][-1][1]), caption
spent = [r for r in days["Spending at the end of each day, in USD"][1:] if r[3]]
assert number(spent[-1][3]) == total - 25 and sum(number(r[2]) for r in spent) == -25
spikes = [s for s in json.load(open(f"{dir}/spikes")) if s["state"] != "withdrawn"]
page = open(f"{dir}/days.html", encoding="utf-8").read()
assert any(s["scope"] == "user" and s["value"] == "user-03" for s in spikes), spikes
assert "user-03 spent" in page and 'class="mark"' in page and "<h2>Spikes</h2>" in page
assert "<script" not in page and "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;" in page
assert "\u202e" not in page and "\ufffdevil" in page

month = Tables(f"{dir}/acme.html").tables["Spending at the end of each day, in USD"]
forecast = json.load(open(f"{dir}/forecast"))[-1]
adjusted = sum(number(r[2]) for r in month[1:] if r[2])
shown = lambda key: (Decimal(forecast[key]) + adjusted).quantize(Decimal("0.01"))
for cell, key in zip(month[-1][4:], ("expectedCost", "lowCost", "highCost")):
    assert abs(number(cell) - shown(key)) <= Decimal("0.01"), (month[-1], forecast)
page = open(f"{dir}/acme.html", encoding="utf-8").read()
assert "Budget 3,000.00" in page and re.search(r"\d+\xa0% used", page)
dark = open(f"{dir}/dark.html", encoding="utf-8").read()
assert "credits in" in dark and "nobody unheard-of-1" in dark and "Budget" not in dark
assert "Nothing has been used so far." in open(f"{dir}/idle.html", encoding="utf-8").read()
PY

# ---- the same again is the same; standard output; what is there stays when it fails ----
gbill report dashboard --org acme --now "$at" -o - | cmp -s - "$dir/acme.html" || fail "not the same bytes"
[ "$(stat -c %a "$dir/acme.html")" = 640 ] || fail "mode $(stat -c %a "$dir/acme.html")"
cp "$dir/acme.html" "$dir/kept.html"
expect 6 'no event has named the organization "nobody"' gbill report dashboard --org nobody -o "$dir/acme.html"
one_line
cmp -s "$dir/kept.html" "$dir/acme.html" || fail "a report that failed changed the file"
expect 6 'no event has named the organization ""' gbill report dashboard --org '' -o "$dir/none.html"
[ ! -e "$dir/none.html" ] || fail "a file without a report"
expect 2 'needs --org ID' gbill report dashboard -o "$dir/none.html"
expect 2 'needs -o FILE' gbill report dashboard --org acme
expect 2 '367 days, the limit is 366' gbill report dashboard --org acme --from 2024-01-01 --to 2025-01-02 -o -
expect 2 'exclude each other' gbill report dashboard --org acme --month 2026-11 --to 2026-12-01 -o -
expect 2 'is no month such as' gbill report dashboard --org acme --month 2026-11-24 -o -
expect 6 "$dir/no" gbill report dashboard --org acme -o "$dir/no/acme.html"
if [ -e /dev/full ]; then
    expect 11 'standard output' sh -c "gbill report dashboard --org acme -o - >/dev/full"
fi

# ---- a browser ----
tests/e2e/dashboard_look.py "$dir/acme.html" "$dir/days.html" "$dir/dark.html" "$dir/idle.html" >"$dir/looks" ||
    fail "$(cat "$dir/looks")"
echo "dashboard: ok"
