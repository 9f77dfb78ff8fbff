#!/usr/bin/env python3
"""Write the seed inputs of the fuzz targets into tests/fuzz/corpus/ (kept in git).

Run it after the contract gained a field or a kind; inputs found by the fuzzer are added by hand.
Plain Python: the msgpack here is written apart from the one under test.
"""
import hmac
import json
import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
FORWARD = HERE.parent / "data" / "forward"


def pack(v):
    if v is None:
        return b"\xc0"
    if v is True or v is False:
        return b"\xc3" if v else b"\xc2"
    if isinstance(v, int):
        if 0 <= v < 128:
            return bytes([v])
        if -32 <= v < 0:
            return struct.pack("b", v)
        if v >= 0:
            return b"\xcf" + struct.pack(">Q", v) if v >> 32 else b"\xce" + struct.pack(">I", v)
        return b"\xd3" + struct.pack(">q", v)
    if isinstance(v, float):
        return b"\xcb" + struct.pack(">d", v)
    if isinstance(v, str):
        b = v.encode()
        return (bytes([0xA0 | len(b)]) if len(b) < 32 else b"\xd9" + bytes([len(b)])) + b
    if isinstance(v, bytes):
        return (b"\xc4" + bytes([len(v)]) if len(v) < 256 else b"\xc5" + struct.pack(">H", len(v))) + v
    if isinstance(v, list):
        return bytes([0x90 | len(v)]) + b"".join(map(pack, v))
    head = bytes([0x80 | len(v)]) if len(v) < 16 else b"\xde" + struct.pack(">H", len(v))
    return head + b"".join(pack(k) + pack(x) for k, x in v.items())


COMMON = {"id": "evt-1", "organizationId": "org-1"}
CALL = dict(COMMON, userId="u", type="chat", provider="openai", model="gpt-4o")
KINDS = {
    "usage": (1, dict(CALL, inputTokens=1000, outputTokens=200, cachedInputTokens=400,
                      reasoningTokens=20, createdAt="2026-11-24T08:15:30.5Z", projectId="p",
                      serviceTier="flex", latencyMs=812.25, status=200, estimated=True,
                      metadata={"feature": "draft", "n": 3, "x": 0.5, "ok": None})),
    "openai": (1, dict(CALL, usage={
        "prompt_tokens": 1200, "completion_tokens": 300, "total_tokens": 1500,
        "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 128}})),
    "anthropic": (1, dict(CALL, provider="anthropic", model="claude-sonnet-4-5", usage={
        "input_tokens": 10, "output_tokens": 20, "cache_read_input_tokens": 5000,
        "cache_creation_input_tokens": 300, "service_tier": "standard",
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
        "server_tool_use": {"web_search_requests": 1}}, prompt="undeclared")),
    "realtime": (1, dict(CALL, model="gpt-realtime", region="eu", fileSearches=2, usage={
        "input_tokens": 100, "output_tokens": 50,
        "input_token_details": {
            "text_tokens": 20, "audio_tokens": 70, "image_tokens": 10, "cached_tokens": 33,
            "cached_tokens_details": {"text_tokens": 8, "audio_tokens": 20, "image_tokens": 5}},
        "output_token_details": {"text_tokens": 10, "audio_tokens": 40}})),
    "iterations": (1, dict(CALL, provider="anthropic", model="claude-opus-4-8", usage={
        "input_tokens": 412, "output_tokens": 5, "inference_geo": "us", "speed": "fast",
        "server_tool_use": {"web_fetch_requests": 1}, "iterations": [
            {"type": "message", "model": "claude-fable-5", "input_tokens": 535, "output_tokens": 0},
            {"type": "compaction", "input_tokens": 9000, "output_tokens": 300},
            {"type": "advisor_message", "model": "claude-opus-5", "input_tokens": 8,
             "output_tokens": 16, "cache_creation_input_tokens": 3,
             "cache_creation": {"ephemeral_1h_input_tokens": 3}},
            {"type": "fallback_message", "model": "claude-opus-4-8", "input_tokens": 412,
             "output_tokens": 5}]})),
    "audio": (1, dict(CALL, inputTokens=100, outputTokens=50, cachedInputTokens=40,
                      audioInputTokens=30, audioCachedInputTokens=10, audioOutputTokens=20,
                      imageInputTokens=12, imageCachedInputTokens=4, imageOutputTokens=3,
                      webSearches=1, webFetches=2, codeSessions=3, region="us", speed="fast")),
    "sized": (1, dict(CALL, provider="anthropic", model="claude-sonnet-5", inputBytes=4000, outputTokens=20,
                      outputBytes=90)),
    "resource": (2, dict(COMMON, resource="document", action="created", resourceId="d-1")),
    "subscription": (3, dict(COMMON, action="changed", plan="pro", currency="USD",
                             effectiveAt=1763942400000, anchor="2026-11-01")),
    "budget": (4, dict(COMMON, monthlyBudget=50000, emailAlerts=True,
                       alertThresholds={"warning": 80, "critical": 95},
                       spikeDetection={"enabled": True, "threshold": 200}, autoLimits=[])),
    "adjustment": (5, dict(COMMON, amount=-1250, currency="EUR", reason="goodwill, ticket 5")),
    "payment": (6, dict(COMMON, invoice="inv-1", status="paid", amount=2900, currency="USD")),
    "void": (7, dict(COMMON, voids="evt-0", at="2026-11-24T08:00:00Z", reason="sent twice")),
    "feedback": (8, dict(COMMON, recommendation="rec-1", status="applied")),
    "act": (9, dict(COMMON, actor="key 0123456789abcdef", action="budget.put", target="api-1", status="done", reason="r")),
    "stripe": (10, dict(COMMON, type="invoice.paid", object={
        "object": "invoice", "id": "in_1", "status": "paid", "currency": "usd", "amount_paid": 2900,
        "gbill_invoice": "17", "livemode": False, "request_key": "gbill:collect/17:1"})),
}
TIMES = ["2026-11-24T08:15:30.5Z", "2026-11-24t08:15:30+05:30", "2026-11-24 08:15", "2026-11-24",
         "2026-11", "2024-02-29T23:59:60Z", "1970-01-01T00:00:00-00:01", "9999-12-31T23:59:59.999Z",
         "2026-02-30", "2026-11-24T24:00:00Z", "2026-11-24T08:15:30.Z", "20261124"]
MONEY = ["2.5", "-0.000001", "29", "+7.10", "0", "9223372036854775807", "9223372036854775808",
         "0.1234567890123456789", ".5", "5.", "1e3", "--1", "00012.500000", ""]


# Price files: what the book of fuzz_price_import.c has, has otherwise and has not.
LITELLM = {
    "equal": {"m": {"litellm_provider": "openai", "input_cost_per_token": 2e-06,
                    "output_cost_per_token": 8e-06, "mode": "chat",
                    "input_cost_per_token_above_272k_tokens": 4e-06}},
    "changed": {"openai/m": {"litellm_provider": "openai", "input_cost_per_token": 1.25e-06,
                             "input_cost_per_token_flex": 5e-07}},
    "alias": {"a": {"litellm_provider": "openai", "input_cost_per_token": 2e-06}},
    "new": {"n": {"litellm_provider": "anthropic", "input_cost_per_token": 3e-06,
                  "cache_read_input_token_cost_above_200k_tokens_priority": 6e-07,
                  "cache_read_input_token_cost_priority": 3e-07,
                  "cache_creation_input_token_cost_above_1hr": 6e-06,
                  "input_cost_per_token_batches": 1.5e-06, "output_cost_per_token": 1.5e-05,
                  "output_cost_per_reasoning_token": 1.5e-05,
                  "search_context_cost_per_query": {"search_context_size_low": 0.01},
                  "regional_processing_uplift_multiplier_eu": 1.1,
                  "provider_specific_entry": {"us": 1.1, "fast": 6.0}},
            "o": {"litellm_provider": "openai", "input_cost_per_audio_token": 1e-05}},
    "left": {"azure/eu/n": {"litellm_provider": "azure", "input_cost_per_token": 1e-06},
             "x": {"litellm_provider": "openai", "input_cost_per_character": 1e-05},
             "y": {"litellm_provider": "openai", "input_cost_per_token": 1.5000000000000002e-07},
             "z": {"litellm_provider": "xai", "input_cost_per_token": 0.0}, "sample_spec": {}},
}
GENAI = {
    "equal": [{"id": "m", "match": {"or": [{"equals": "m"}, {"equals": "a"}]}, "prices": {
        "input_mtok": {"base": 2, "tiers": [{"start": 271999, "price": 4}]}, "output_mtok": 8}}],
    "dated": [{"id": "m", "match": {"starts_with": "m"}, "prices": [
        {"prices": {"input_mtok": 2.5, "output_mtok": 10}},
        {"constraint": {"start_date": "2026-08-01"}, "prices": {"input_mtok": 1.5}},
        {"constraint": {"start_date": "2027-01-01"}, "prices": {"output_mtok": 1}}]}],
    "new": [{"id": "n", "match": {"or": [{"equals": "n-1"}, {"regex": "^n"}]}, "prices": {
        "input_mtok": 3, "cache_write_mtok": 3.75, "cache_write_1h_mtok": 6,
        "web_searches_kcount": 10}}, {"id": "n-1", "match": {}, "prices": {"input_mtok": 1}}],
    "other": [{"id": "o", "match": {"equals": "o-1"}, "prices": {
        "input_mtok": 1, "input_audio_mtok": 10, "cache_image_read_mtok": 0.5,
        "storage_searches_kcount": 2.5}}, {"id": "m", "prices": {"output_mtok": 0.000001}}],
    "hours": [{"id": "h", "match": {}, "prices": [{"prices": {"input_mtok": 1}}, {
        "constraint": {"start_time": "00:30:00Z", "end_time": "08:30:00Z"},
        "prices": {"input_mtok": 0.5}}]}],
}


PRICES = {
    "minimal": {"format": "gbill-prices/1", "currency": "USD", "unit": "1000000 tokens", "models": [
        {"provider": "openai", "model": "m", "aliases": [
            {"id": "a", "from": None, "recorded": "2026-11-24"}], "prices": [
            {"from": None, "recorded": "2026-11-24", "tier": "standard",
             "rates": {"input": "2.5", "output": "10"}},
            {"from": "2026-08-01", "recorded": "2026-11-24", "tier": "standard",
             "rates": {"input": "2", "output": "8"}, "bands": [
                 {"input_tokens": 272000, "op": ">", "scope": "request", "rates": {"input": "4"}}],
             "fees": {"web_search": "10"}, "factors": {"region": {"us": "1.1"}}}]}]},
}
RATIO = {"provider": "anthropic", "model": "m", "side": "input", "recorded": "2026-11-24", "from": "2026-10-01",
         "to": "2026-11-01T00:00:00.500Z", "calls": 40, "bytes": 400, "tokens": 100, "errorPerMille": 150}
RATIOS = [RATIO, dict(RATIO, recorded="2026-11-25", bytes=10 ** 18), dict(RATIO, side="output", note="by hand")]
CONF = {
    "all": "data = /tmp/x\n# a comment\nminutes = 5\njson = true\ntoken = \"quoted\"\n",
    "wrong": "minutes = 99999999999999999999\n=\n\n\\\nunknown = 1\n",
}
REPLAY = {
    "jsonl": (0, '{"id":"e","organizationId":"o","userId":"u","type":"chat","provider":"openai",'
              '"model":"m","inputTokens":1,"outputTokens":2,"usage":{"a":[1,2.5,null,"x"]}}\n'
              '{"kind":"void","voids":"e","at":1}\n\nnot json\n'),
    "csv": (1, 'id,organizationId,userId,type,provider,model,inputTokens,outputTokens,latencyMs,x\r\n'
            'e,o,u,chat,openai,m,1,2,3.5,y\r\n"e""2","o,p",u,chat,openai,m,,,,"two\nlines"\r\n'),
    "azure": (2, "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
              "2023-11-16 18:15:46.6805900,374,44\r\n2023-11-16 18:15:50.9951690,396,109\r\n"),
}


def frame(events, count, seq):
    head = b"GBF1" + struct.pack("<BBHIIIIQq", 1, 0, 0, count, len(events), len(events), 0, seq,
                                 1763942400000)
    return head + bytes(8 + 32) + events


def write(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def main():
    for name, (kind, record) in KINDS.items():
        data = pack(record)
        write("event_parse", name, data)
        write("event_parse", name + "-cut", data[:-3])
        write("event_read", name, pack([kind, 1763942400000, 1000, record]))
        write("mp", name, data)
    write("event_read", "several", b"".join(
        pack([k, 1763942400000 + k, 0, r]) for k, r in KINDS.values()))
    write("mp", "depth-16", b"\x91" * 16 + b"\x01")
    write("mp", "depth-17", b"\x91" * 17 + b"\x01")
    write("mp", "huge-array", b"\xdd\xff\xff\xff\xff")
    write("mp", "huge-map", b"\xdf\x80\x00\x00\x00\x01")
    write("mp", "every-head", b"".join(
        bytes([b]) + bytes(17) for b in list(range(0xC0, 0xE0)) + [0x00, 0x80, 0x90, 0xA0, 0xFF]))
    for path in sorted(FORWARD.glob("*.bin")):
        write("mp", "forward-" + path.stem, path.read_bytes())
        write("forward", path.stem, b"\x06" + path.read_bytes())
    now = 1795508130  # what fuzz_forward.c takes for the time of receipt
    entries = []
    for name, (kind, record) in KINDS.items():
        tag = "gbill." + ("usage" if kind == 1 else name)
        write("forward", name, b"\x0d" + pack([tag, now, record, {"chunk": name}]))
        entries.append([now, record])
    write("forward", "forward", b"\x01\xc0" + pack(["gbill.usage", entries, None]) + b"\xc0")
    write("forward", "metadata", b"\x3f" + pack(["gbill.usage", [[[now, {}], entries[0][1]]], {}]))
    body = b"".join(map(pack, entries))
    packed = b"\x93" + pack("gbill.usage") + b"\xc5" + struct.pack(">H", len(body)) + body
    write("forward", "packed", b"\x20" + packed + pack({"chunk": b"\x00\x01", "size": 9}))
    write("forward", "packed-cut", b"\x20" + packed[:-1])
    # Blocks: events that repeat with other values, whole and with the block changed at a few places.
    for name, (kind, record) in KINDS.items():
        rows = b"".join(pack([kind, 1763942400000 + 997 * i, 1000, dict(
            record, id=f"{i * 7919:08x}-0000-4000-8000-{i:012x}", organizationId=f"org-{i % 3}",
            reason=f"reason {i % 3}.{i % 4}")]) for i in range(24))
        write("block", "events-" + name, b"e" + rows)
        places = [(i * 131 + len(name) * 37) % 900 for i in range(3)]
        write("block", "changed-" + name, b"m" + bytes([3]) + b"".join(
            struct.pack("<HB", p, 1 << (p % 8)) for p in places) + rows)
    write("block", "mixed", b"e" + b"".join(
        pack([k, 1763942400000 + k * i, i, dict(r, n=-i, x=i / 8, ok=i % 2 == 0)])
        for i in range(6) for k, r in KINDS.values()))
    write("block", "head", b"d" + bytes(range(160)))
    for name, models in LITELLM.items():
        write("price_import", "litellm-" + name, b"l" + json.dumps(models).encode())
    for name, models in GENAI.items():
        data = [{"id": "openai", "name": "OpenAI", "models": models}]
        write("price_import", "genai-" + name, b"g" + json.dumps(data).encode())
    stored = b"".join(pack([k, 1763942400000 + k, 0, r]) for k, r in KINDS.values())
    write("frame", "raw", b"\x01" + frame(stored, len(KINDS), 1))
    write("frame", "wrong-checksum", b"\x00" + frame(stored, len(KINDS), 1))
    write("frame", "cut", b"\x01" + frame(stored, len(KINDS), 1)[:90])
    write("frame", "head-only", b"\x01" + frame(b"", 1, 1))
    compressed = bytearray(frame(bytes(range(60)), 1, 7))
    compressed[5] = 1
    write("frame", "not-zstd", b"\x01" + bytes(compressed))
    chain, tag = bytes(range(32)), "gbill.ship"
    hello = pack([tag, "hello", 1, chain, 1, bytes(32), 8, chain])
    frames = pack([tag, "frames", 20781, b"\x00" + frame(stored[:100], 2, 1) + b"\x01" + frame(b"q", 1, 1)])
    write("ship", "hello", hello)
    write("ship", "hello-cut", hello[:-5])
    write("ship", "frames", frames)
    write("ship", "frames-cut", pack([tag, "frames", 20781, (b"\x00" + frame(stored[:100], 2, 1))[:-7]]))
    write("ship", "stand", pack([tag, "stand", 1 << 40, chain, 1, bytes(32)]))
    write("ship", "refused", pack([tag, "refused", 7, "the copy of another log"]))
    write("ship", "helo", pack(["HELO", {"nonce": bytes(16), "auth": "", "keepalive": True}]))
    write("ship", "pong", pack(["PONG", True, "", "collector", "0" * 128]))
    ask = {"op": "reserve", "organizationId": "org-1", "action": "ai", "hold": "h", "tokens": 900, "maxTokens": 4000, "lifeMs": 5000}
    for name, record in {"reserve": ask, "check": dict(ask, op="check", hold=None, more=[1]), "release": {"op": "release",
                         "organizationId": "org-1", "hold": "h"}, "wrong": dict(ask, op="steal"), "small": dict(ask, maxTokens=899),
                         "project": dict(ask, action="project")}.items():
        write("question", name, pack(["gbill.live", 0, record, {"chunk": "c"}]))
    write("question", "two", pack(["gbill.live", [[0, ask], [0, ask]], {"chunk": b"c"}]))
    told = {"ack": "q", "allowed": True, "known": True, "state": "held", "reason": "why", "used": 1, "held": 2, "limit": None,
            "remaining": 1 << 40, "resetAt": 1763942400000, "plan": "pro", "upgradeTo": None, "position": 9, "expiresInMs": 5}
    for name, answer in {"told": told, "long": dict(told, plan="p" * 200, reason="r" * 250, state=7, more=[{"x": [1]}]),
                         "error": {"ack": "q", "allowed": False, "error": "no"}, "ack": {"ack": "q"}}.items():
        write("answer", name, pack(answer))
    none = (1 << 64) - 1
    numbers = [1, 0, 1 << 60, 0, 1763942400000, 9, 60, none, 1500000, *([10] * 4), *([100] * 4), 0, 0, 50, 0, none, 20, 1000, 0]
    for name, flags, text in ("sound", bytes(4) + b"\0\0\4\0", b"small"), ("paused", b"\1\0\0\0\1\1\4\0", b"the budget is used up"), \
            ("endless", bytes(4) + b"\7\7\4\0", b"x" * 300), ("no-name", bytes(4) + b"\0\0\xff\0", b"y"):
        texts = b"acme".ljust(64, b"\0") + b"".join(text[:n].ljust(n, b"\0") for n in (72, 72, 72, 72, 72, 264))
        write("board", name, struct.pack("<25Q", *numbers) + flags + texts + (b"!" if name == "no-name" else b""))
    write("quarantine", "one", pack(["why", "gbill.usage", 1763942400000, 1000, b"\x81\x01\x02"]))
    write("quarantine", "two", 2 * pack(["", "", -1, 0, b""]))
    call = {"id": "1", "organizationId": "acme", "userId": "u", "type": "chat", "provider": "openai", "model": "m",
            "inputTokens": 5, "outputTokens": 7, "metadata": {"a": [1, 2.5, None, True]}}
    budget = {"monthlyBudget": 5000, "alertThresholds": {"warning": 80}, "spikeDetection": {"threshold": 300},
              "autoLimits": {"enabled": True, "pauseAt": 100}, "emailAlerts": False}
    for name, (route, body) in {"one": (b"0", call), "batch": (b"0", {"events": [call, dict(call, id=None), 7]}),
                                "other": (b"0", dict(call, organizationId="rival")), "budget": (b"1", budget)}.items():
        write("post", name, route + json.dumps(body, separators=(",", ":")).encode())
    write("post", "deep", b"0" + b"[" * 40)
    for path in sorted((HERE.parent / "data" / "stripe").glob("*.json")):
        body = json.dumps(json.loads(path.read_bytes()), separators=(",", ":")).encode()
        v1 = hmac.new(b"whsec_forNothingButFuzzing", b"1796000000." + body, "sha256").hexdigest()
        write("stripe", path.stem, f"t=1796000000,v1={v1}\n".encode() + body)
    for name, head in {"two": "t=0,t= +1,v1=a=b,v1=" + "0" * 64, "v0": "t=1796000000,v0=" + "0" * 64, "blank": ",=,v1,t"}.items():
        write("stripe", "head-" + name, head.encode() + b"\n{}")
    write("stripe", "deep", b"t=1,v1=1\n" + b"[" * 3000)
    for name, book in PRICES.items():
        write("prices", name, json.dumps(book).encode())
    for name, rows in {"none": [], "rows": RATIOS, "twice": [RATIO, RATIO]}.items():
        write("ratios", name, json.dumps({"format": "gbill-ratios/1", "ratios": rows}).encode())
    plans = (HERE.parent.parent / "schemas" / "plans.json").read_bytes()
    write("plans", "shipped", plans)
    for name, text in CONF.items():
        write("conf", name, text.encode())
    for name, (form, text) in REPLAY.items():
        write("replay", name, bytes([form]) + text.encode())
    for i, text in enumerate(TIMES):
        write("time", f"{i:02}", text.encode())
    for i, text in enumerate(MONEY):
        for decimals in (0, 6, 12, 18):
            write("money", f"{i:02}-{decimals:02}", bytes([decimals]) + text.encode())


if __name__ == "__main__":
    main()
