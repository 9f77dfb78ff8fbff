#!/usr/bin/env python3
"""api_check.py BASE KEY ORG OTHER_KEY OTHER_ORG NO_READ_KEY INVOICE OTHER_INVOICE: ask every route of the OpenAPI document
that the server itself serves, hold each answer against it, and try every way to another organization."""
import base64
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

import jsonschema

base, key, org, other_key, other_org, no_read, invoice, other_invoice = sys.argv[1:]
asked = 0


def ask(path, token=None, method="GET", body=None, headers=None, **query):
    global asked
    asked += 1
    url = base + path + ("?" + urllib.parse.urlencode(query) if query else "")
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    if data is not None:
        request.add_header("Content-Type", "application/json")
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    if token is not None:
        request.add_header("Authorization", token)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read()


document = json.loads(ask("/api/billing/openapi.json")[2])


def validate(schema, value):
    jsonschema.Draft202012Validator(dict(schema, components=document["components"])).validate(value)


def check(path, want, token=None, method="GET", body=None, headers=None, number=invoice, **query):
    """The status is the one wanted, and the answer is one that the document has for it."""
    operation = document["paths"][path][method.lower()]
    status, got, text = ask(path.replace("{number}", number), token, method, body, headers, **query)
    if status != want:
        sys.exit(f"{method} {path} {query} {body}: {status}, expected {want}: {text[:300]}")
    kind = got["Content-Type"].split(";")[0]
    if str(status) not in operation["responses"]:
        sys.exit(f"{method} {path}: the document has no answer {status}")
    response = operation["responses"][str(status)]
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    content = response["content"]
    if kind not in content:
        sys.exit(f"{method} {path}: the document has no {kind} for {status}")
    if method != "GET" and status == 200:
        validate(operation["requestBody"]["content"]["application/json"]["schema"], body)
    if not kind.endswith("json"):
        return text.decode()
    value = json.loads(text)
    validate(content[kind]["schema"], value)
    return value


def check_tokens(path, method, body, **query):
    for wrong in (None, "", "Bearer", "Bearer ", "Basic " + key, key, "Bearer " + key[:-1],
                  "Bearer " + key[:-1] + ("0" if key[-1] != "0" else "1"), "Bearer " + key + "0",
                  "Bearer gbk_" + "0" * 16 + "_" + "0" * 64, "Bearer " + "x" * 4000,
                  "Bearer " + key[:20] + "_" + other_key[21:]):
        check(path, 401, wrong, method, body, **query)


def check_get(path, mine, theirs, no):
    first = check(path, 200, mine, organizationId=org)
    second = check(path, 200, theirs, number=other_invoice, organizationId=other_org)
    for value, name, not_in_it in ((first, org, other_org), (second, other_org, org)):
        is_named = name in value if isinstance(value, str) else value["organizationId"] == name
        if not is_named or not_in_it in json.dumps(value):
            sys.exit(f"{path}: is not {name}'s alone: {value}")
    check(path, 403, mine, organizationId=other_org)
    check(path, 403, theirs, organizationId=org)
    check(path, 403, no, organizationId=org)
    check(path, 403, mine, organizationId="*")
    check(path, 403, mine, organizationId="")
    check(path, 400, mine)
    if "{number}" in path:
        check(path, 404, mine, number=other_invoice, organizationId=org)
        for bad in ("0", "01", "-1", "x", "1x", "9" * 30):
            check(path, 400, mine, number=bad, organizationId=org)
    # Named twice, either way round: never the other one's data.
    for pair in ((org, other_org), (other_org, org)):
        status, _, body = ask(path.replace("{number}", invoice) + "?organizationId=%s&organizationId=%s" % pair, mine)
        if status == 200 and other_org in body.decode():
            sys.exit(f"{path}: {pair} shows {other_org}")
    check_tokens(path, "GET", None, organizationId=org)


def basic(password, name="anybody"):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def check_page(path, org, key, other_org, other_key, no):
    """The organization is the key's: by password or as everywhere else, and nowhere else by password."""
    for token, name, not_in_it in ((basic(key), org, other_org), (basic(other_key), other_org, org),
                                   ("Bearer " + key, org, other_org), (basic(key, ""), org, other_org),
                                   (basic(key, "a name"), org, other_org)):
        page = check(path, 200, token)
        if name not in page or not_in_it in page or "<script" in page:
            sys.exit(f"{path}: is not {name}'s alone")
    check(path, 200, basic(key), organizationId=org, month="2026-11")
    check(path, 400, basic(key), month="2026-13")
    check(path, 403, basic(key), organizationId=other_org)
    check(path, 403, no)
    for wrong in (basic(key[:-1]), basic(""), basic(key + "0"), "Basic " + key, "Basic ", "Basic !", "Basic " + "A" * 3000,
                  "Basic " + base64.b64encode(key.encode()).decode()):
        check(path, 401, wrong)
    status, headers, _ = ask(path)
    if status != 401 or not headers["WWW-Authenticate"].startswith("Basic realm="):
        sys.exit(f"{path}: a browser would not ask for a key")
    _, headers, _ = ask(path, basic(key))
    if "default-src 'none'" not in headers["Content-Security-Policy"] or headers["Cache-Control"] != "no-store":
        sys.exit(f"{path}: {headers}")
    check("/api/billing/usage", 401, basic(key), organizationId=org)
    check("/api/billing/budget", 401, basic(key), "PUT", bodies["/api/billing/budget", "PUT"])


# A body that is good, of each route that takes one.
bodies = {("/api/billing/usage", "POST"): {"id": "check-1", "userId": "u", "type": "chat", "provider": "openai",
                                           "model": "gpt-4o-mini", "inputTokens": 1, "outputTokens": 1},
          ("/api/billing/budget", "PUT"): {"monthlyBudget": 5000, "alertThresholds": {"warning": 80, "forecast": 100},
                                           "spikeDetection": {"enabled": True, "threshold": 300},
                                           "emailAlerts": False, "autoLimits": None}}


def check_body(path, method, mine, theirs, no):
    good = bodies[path, method]
    check(path, 200, mine, method, good)
    check(path, 200, mine, method, dict(good, organizationId=org))
    check(path, 200, mine, method, good, organizationId=org)
    check(path, 403, mine, method, dict(good, organizationId=other_org))
    check(path, 403, mine, method, dict(good, organizationId=7))
    check(path, 403, mine, method, dict(good, organizationId=org), organizationId=other_org)
    check(path, 403, theirs, method, dict(good, organizationId=org))
    check(path, 403, no, method, good)
    check(path, 415, mine, method, good, {"Content-Type": "text/plain"})
    check(path, 413, mine, method, b" " * (2 << 20))
    for token in (None, no):
        check(path, 401 if token is None else 403, token, method, b" " * (2 << 20))
    for bad in (b"{", b"", b"[]", b"7", b'{"a":1,"a":2}', b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", b"\xff\xfe", b"\0"):
        check(path, 400, mine, method, bad)
    check_tokens(path, method, good)


secured = 0
for path, methods in document["paths"].items():
    for method, operation in methods.items():
        if not operation["security"]:
            check(path, 200)
            continue
        secured += 1
        theirs = "Bearer " + other_key
        reader, writer = "Bearer " + key, "Bearer " + no_read
        if path == "/api/billing/stripe/webhook":  # tests/e2e/stripe_webhook.sh; no secret is set here
            for token in (None, writer):
                if check(path, 503, token, "POST", {"id": "evt_1"})["code"] != "not_configured":
                    sys.exit(f"{path}: another reason")
        elif path == "/":
            check_page(path, org, key, other_org, other_key, writer)
        elif method == "get":
            check_get(path, reader, theirs, writer)
        else:
            check_body(path, method.upper(), writer, theirs, reader)
if secured < 10:
    sys.exit("the document has fewer secured routes than there are")
for bad in ({"action": "fly"}, ):
    check("/api/billing/limits", 400, "Bearer " + key, organizationId=org, **bad)
for bad in ({"from": "yesterday"}, {"by": "colour"}, {"from": "2026-11-24T08:30Z"}):
    check("/api/billing/usage", 400, "Bearer " + key, organizationId=org, **bad)
one = check("/api/billing/limits", 200, "Bearer " + key, organizationId=org, action="ai_request")
if [row["action"] for row in one["limits"]] != ["ai_request"]:
    sys.exit(f"one action: {one}")


def post(want, body, **headers):
    return check("/api/billing/usage", want, "Bearer " + no_read, "POST", body, headers)


event = bodies["/api/billing/usage", "POST"]
bare = {name: value for name, value in event.items() if name != "id"}
batch = {"events": [bare, dict(bare, id="check-2"), dict(event, model=None), "no event", dict(bare, id=7)]}
some = post(207, batch, **{"Idempotency-Key": "check"})
if [row["accepted"] for row in some["results"]] != [True, True, False, False, False] or some["success"]:
    sys.exit(f"a batch: {some}")
if post(207, batch, **{"Idempotency-Key": "check"}) != some:
    sys.exit("the same request has another answer")
post(422, bare, **{"Idempotency-Key": "check"})
post(400, bare, **{"Idempotency-Key": "a b"})
post(400, bare, **{"Idempotency-Key": "x" * 256})
post(422, dict(bare, inputTokens=-1))
post(422, {"events": []})
post(422, {"events": [event] * 1001})
post(403, {"events": [event, dict(event, organizationId=other_org)]})
post(403, {"organizationId": org, "events": [event, dict(event, organizationId=other_org)]})
ids = [row["id"] for row in post(200, {"events": [bare] * 1000}, **{"Idempotency-Key": "many"})["results"]]
if len(set(ids)) != 1000:
    sys.exit("events of one request share ids")
for bad in ({"monthlyBudget": -1}, {"monthlyBudget": 1.5}, {"monthyBudget": 1}, {"emailAlerts": "no"},
            {"alertThresholds": [0]}, {"alertThresholds": {"warning": 8000}}, {"autoLimits": {"pauseAt": "x"}},
            {"spikeDetection": {"threshold": 3}}, {"alertThresholds": list(range(1, 40))}, {"id": "mine"}):
    check("/api/billing/budget", 422, "Bearer " + no_read, "PUT", bad)
settings = bodies["/api/billing/budget", "PUT"]
key_of = {"Idempotency-Key": "settings"}
put = check("/api/billing/budget", 200, "Bearer " + no_read, "PUT", settings, key_of)
if check("/api/billing/budget", 200, "Bearer " + no_read, "PUT", settings, key_of) != put:
    sys.exit("the same settings under the same key have another answer")
check("/api/billing/budget", 422, "Bearer " + no_read, "PUT", dict(settings, monthlyBudget=1), key_of)
check("/api/billing/budget", 400, "Bearer " + no_read, "PUT", settings, {"Idempotency-Key": "a b"})
check("/api/billing/optimization", 400, "Bearer " + key, organizationId=org, type="fly")
check("/api/billing/optimization", 200, "Bearer " + key, organizationId=org, type="batch")
check("/api/billing/usage/export", 400, "Bearer " + key, organizationId=org, kind="all")
if check("/api/billing/usage/export", 200, "Bearer " + key, organizationId=org, to="2001-01").count("\n") != 1:
    sys.exit("an export of no hours is its head alone")
print(json.dumps({"asked": asked, "limits": one,
                  "usage": check("/api/billing/usage", 200, "Bearer " + key, organizationId=org,
                                 by="model", **{"from": "2000-01"})}))
