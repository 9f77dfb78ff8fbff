"""Check Prometheus' text format 0.0.4 strictly: exposition.py [NAME=VALUE...] <TEXT

Written from the format's description and Prometheus' naming rules, not from our writer.  Every
family has one HELP and one TYPE, in that order and before its samples, which stand together; no
sample comes twice; counters end in _total and are not negative; base units only; histograms have
cumulative buckets with rising bounds, +Inf last and equal to _count, and a _sum.  NAME=VALUE are
samples that must be there (NAME with its labels; VALUE may be "N+": at least N).  The first wrong
line is named, exit status 1.
"""
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|Inf)|NaN")
WRONG_UNITS = re.compile(r"_(ms|us|ns|milliseconds|microseconds|nanoseconds|minutes|hours|kb|kib|"
                         r"mb|mib|kilobytes|megabytes|percent)(_|$)")


class Wrong(Exception):
    pass


def need(condition, what):
    if not condition:
        raise Wrong(what)


def number(text):
    need(NUMBER.fullmatch(text), f"{text!r} is no number")
    return float(text)


def family_of(name, families):
    """The declared family that a sample belongs to."""
    if name in families and families[name]["type"] != "histogram":
        return name
    for suffix in ("_bucket", "_sum", "_count"):
        base = name[: -len(suffix)]
        if name.endswith(suffix) and families.get(base, {}).get("type") == "histogram":
            return base
    raise Wrong(f"sample {name} belongs to no family that was declared")


def check_name(name, kind):
    need(name.islower(), f"{name} is not snake_case")
    need(not WRONG_UNITS.search(name), f"{name} is not in a base unit")
    need((kind == "counter") == name.endswith("_total"), f"{name} is a {kind}")
    need(kind != "counter" or "seconds" not in name or name.endswith("_seconds_total"), name)
    need(kind != "histogram" or not re.search(r"_(bucket|sum|count)$", name), name)


def check_histogram(name, samples):
    buckets = [(labels["le"], value) for suffix, labels, value in samples if suffix == "_bucket"]
    sums = [value for suffix, _, value in samples if suffix == "_sum"]
    counts = [value for suffix, _, value in samples if suffix == "_count"]
    need(len(sums) == 1 and len(counts) == 1, f"{name} needs one _sum and one _count")
    need(buckets and buckets[-1][0] == "+Inf", f"{name}: the last bucket is not +Inf")
    bounds = [float(bound) for bound, _ in buckets]
    need(all(a < b for a, b in zip(bounds, bounds[1:])), f"{name}: bounds do not rise")
    values = [value for _, value in buckets]
    need(all(a <= b for a, b in zip(values, values[1:])), f"{name}: buckets are not cumulative")
    need(values[-1] == counts[0], f"{name}: +Inf is {values[-1]}, _count {counts[0]}")


def check(text):
    families, samples, current = {}, {}, None
    need(text.endswith("\n"), "the last line has no newline")
    need("\r" not in text, "there is a carriage return")
    for line in text[:-1].split("\n"):
        head = re.fullmatch(rf"# (HELP|TYPE) ({NAME}) (.+)", line)
        if head and head[1] == "HELP":
            need(head[2] not in families, f"second HELP: {line}")
            need(head[3].strip() == head[3] and "\\" not in head[3], line)
            families[head[2]] = {"type": None, "samples": []}
            current = head[2]
        elif head:
            need(head[2] == current and families[current]["type"] is None, f"out of place: {line}")
            need(head[3] in ("counter", "gauge", "histogram"), line)
            families[current]["type"] = head[3]
            check_name(current, head[3])
        else:
            sample = SAMPLE.fullmatch(line)
            need(sample, f"neither HELP, TYPE nor a sample: {line!r}")
            name, value = sample[1], number(sample[3])
            family = family_of(name, families)
            need(family == current, f"not with its family: {line}")
            key = name + ("{%s}" % sample[2] if sample[2] else "")
            need(key not in samples, f"comes twice: {line}")
            samples[key] = value
            labels = {k: v[1:-1] for k, v in (pair.split("=", 1) for pair in
                      re.findall(LABEL, sample[2] or ""))}
            need(families[family]["type"] == "gauge" or value >= 0, f"negative: {line}")
            families[family]["samples"].append((name[len(family):], labels, value))
    for name, family in families.items():
        need(family["type"] and family["samples"], f"{name} has no TYPE or no sample")
        if family["type"] == "histogram":
            check_histogram(name, family["samples"])
    return samples


def check_wanted(samples, wanted):
    for want in wanted:
        name, value = want.rsplit("=", 1)
        need(name in samples, f"{name} is not there")
        have = samples[name]
        ok = have >= float(value[:-1]) if value.endswith("+") else have == float(value)
        need(ok, f"{name} is {have}, expected {value}")


def prove_it_can_fail():
    """One wrong text per rule."""
    good = ("# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"1\"} 1\na_total{x=\"2\"} 2\n"
            "# HELP t_seconds T.\n# TYPE t_seconds histogram\nt_seconds_bucket{le=\"0.1\"} 1\n"
            "t_seconds_bucket{le=\"+Inf\"} 2\nt_seconds_sum 0.5\nt_seconds_count 2\n")
    check(good)
    for old, new in (("# HELP a_total A.\n", ""), ("# TYPE a_total counter\n", ""),
                     ("counter", "gauge"), ("a_total", "a"), ("x=\"2\"", "x=\"1\""),
                     ("} 2\na", "} 2\n\na"), ("} 2\n# H", "} -2\n# H"), ("{x=\"1\"}", "{x=1}"),
                     ("{x=\"1\"} 1", "{x=\"1\"} one"), ("+Inf\"} 2", "+Inf\"} 3"),
                     ("0.1\"} 1", "0.1\"} 9"), ("+Inf", "0.05"), ("t_seconds_sum 0.5\n", ""),
                     ("t_seconds", "t_ms"), ("count 2\n", "count 2"), ("a_total", "aTotal")):
        if old == "} 2\na":
            bad = good.replace("a_total{x=\"2\"}", "\na_total{x=\"2\"}", 1)
        else:
            bad = good.replace(old, new)
        try:
            check(bad)
        except Wrong:
            continue
        sys.exit(f"exposition.py does not see {old!r} -> {new!r}")


prove_it_can_fail()
try:
    check_wanted(check(sys.stdin.read()), sys.argv[1:])
except Wrong as wrong:
    sys.exit(f"exposition: {wrong}")
