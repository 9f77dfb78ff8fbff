#!/usr/bin/env python3
"""api_check.py BASE KEY ORG OTHER_KEY OTHER_ORG NO_READ_KEY: ask every route of the OpenAPI document
that the server itself serves, hold each answer against it, and try every way to another organization."""
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

import jsonschema

base, key, org, other_key, other_org, no_read = sys.argv[1:]
asked = 0


def ask(path, token=None, **query):
    global asked
    asked += 1
    url = base + path + ("?" + urllib.parse.urlencode(query) if query else "")
    request = urllib.request.Request(url)
    if token is not None:
        request.add_header("Authorization", token)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read()


document = json.loads(ask("/api/billing/openapi.json")[2])


def check(path, want, token=None, **query):
    """The status is the one wanted, and the answer is one that the document has for it."""
    status, headers, body = ask(path, token, **query)
    if status != want:
        sys.exit(f"{path} {query}: {status}, expected {want}: {body[:300]}")
    kind = headers["Content-Type"].split(";")[0]
    responses = document["paths"][path]["get"]["responses"]
    if str(status) not in responses:
        sys.exit(f"{path}: the document has no answer {status}")
    if kind not in responses[str(status)]["content"]:
        sys.exit(f"{path}: the document has no {kind} for {status}")
    if kind == "text/plain":
        return body
    schema = dict(responses[str(status)]["content"][kind]["schema"])
    schema["components"] = document["components"]
    value = json.loads(body)
    jsonschema.Draft202012Validator(schema).validate(value)
    return value


secured = 0
for path, methods in document["paths"].items():
    for method, operation in methods.items():
        if method != "get":
            sys.exit(f"{path}: this test does not know how to try {method}")
        if not operation["security"]:
            check(path, 200)
            continue
        secured += 1
        mine = check(path, 200, "Bearer " + key, organizationId=org)
        theirs = check(path, 200, "Bearer " + other_key, organizationId=other_org)
        for value, name, not_in_it in ((mine, org, other_org), (theirs, other_org, org)):
            if value["organizationId"] != name or not_in_it in json.dumps(value):
                sys.exit(f"{path}: is not {name}'s alone: {value}")
        check(path, 403, "Bearer " + key, organizationId=other_org)
        check(path, 403, "Bearer " + other_key, organizationId=org)
        check(path, 403, "Bearer " + no_read, organizationId=org)
        check(path, 403, "Bearer " + key, organizationId="*")
        check(path, 403, "Bearer " + key, organizationId="")
        check(path, 400, "Bearer " + key)
        # Named twice, either way round: never the other one's data.
        for pair in ((org, other_org), (other_org, org)):
            status, _, body = ask(path + "?organizationId=%s&organizationId=%s" % pair, "Bearer " + key)
            if status == 200 and other_org in body.decode():
                sys.exit(f"{path}: {pair} shows {other_org}")
        for wrong in (None, "", "Bearer", "Bearer ", "Basic " + key, key, "Bearer " + key[:-1],
                      "Bearer " + key[:-1] + ("0" if key[-1] != "0" else "1"), "Bearer " + key + "0",
                      "Bearer gbk_" + "0" * 16 + "_" + "0" * 64, "Bearer " + "x" * 4000,
                      "Bearer " + key[:20] + "_" + other_key[21:]):
            check(path, 401, wrong, organizationId=org)
if secured < 2:
    sys.exit("the document has fewer secured routes than there are")
for bad in ({"action": "fly"}, ):
    check("/api/billing/limits", 400, "Bearer " + key, organizationId=org, **bad)
for bad in ({"from": "yesterday"}, {"by": "colour"}, {"from": "2026-11-24T08:30Z"}):
    check("/api/billing/usage", 400, "Bearer " + key, organizationId=org, **bad)
one = check("/api/billing/limits", 200, "Bearer " + key, organizationId=org, action="ai_request")
if [row["action"] for row in one["limits"]] != ["ai_request"]:
    sys.exit(f"one action: {one}")
print(json.dumps({"asked": asked, "limits": one,
                  "usage": check("/api/billing/usage", 200, "Bearer " + key, organizationId=org,
                                 by="model", **{"from": "2000-01"})}))
