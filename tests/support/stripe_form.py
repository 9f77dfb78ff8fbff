"""Reads a request's form as Stripe does and holds it against stripe_api.json; for stripe_server.py.

A form says a tree by brackets: a[b]=1 is {a: {b: 1}}; a[0][b]=1 and a[][b]=1 are {a: [{b: 1}]}, where an
empty pair begins a new element as soon as its key is there already.  Every value is text; what type it
must have is the API description's business.
"""
import json
import os
import re
import urllib.parse


class Refusal(Exception):
    """An answer of Stripe's that is an error: status, type, code, words, parameter."""

    def __init__(self, status, words, code=None, param=None, kind="invalid_request_error", saved=True, **more):
        super().__init__(words)
        self.status, self.saved, self.headers = status, saved, {}
        self.error = {"type": kind, "message": words, **({"code": code} if code else {}),
                      **({"param": param} if param else {}), **more}


def wrong(words, code=None, param=None):
    """A parameter that cannot be: refused before anything is done, so it is not kept for its Idempotency-Key."""
    return Refusal(400, words, code, param, saved=False)


def pairs(text):
    """The form's pairs, decoded, in order."""
    if text == "":
        return []
    result = []
    for part in text.split("&"):
        name, equals, value = part.partition("=")
        if not equals or re.search(r"%(?![0-9A-Fa-f]{2})", part):
            raise wrong("the body is not a form: " + part[:40])
        try:
            result.append([urllib.parse.unquote_plus(x, errors="strict") for x in (name, value)])
        except UnicodeDecodeError:
            raise wrong("the body is not UTF-8")
    return result


def has(node, path):
    for step in path:
        if not isinstance(node, dict) or step not in node:
            return False
        node = node[step]
    return True


def put(node, path, value, name):
    head, rest = path[0], path[1:]
    if not rest:
        if not isinstance(node, dict) or head in node:
            raise wrong("given twice, or as value and as hash: " + name, param=name)
        node[head] = value
    elif rest[0] == "":
        array = node.setdefault(head, [])
        if not isinstance(array, list):
            raise wrong("an array and something else: " + name, param=name)
        if len(rest) == 1:
            array.append(value)
        else:
            if not array or has(array[-1], rest[1:]):
                array.append({})
            put(array[-1], rest[1:], value, name)
    else:
        child = node.setdefault(head, {})
        if not isinstance(child, dict):
            raise wrong("a hash and something else: " + name, param=name)
        put(child, rest, value, name)


def tree(form):
    result = {}
    for name, value in form:
        match = re.fullmatch(r"([^\[\]]+)((?:\[[^\[\]]*\])*)", name)
        if match is None:
            raise wrong("not a parameter's name: " + name, param=name)
        put(result, [match[1]] + re.findall(r"\[([^\[\]]*)\]", match[2]), value, name)
    return result


def integer(value, limits, name):
    if not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise wrong("Invalid integer: " + value, "parameter_invalid_integer", name)
    number = int(value)
    if limits and number < int(limits[0]) or len(limits) > 1 and number > int(limits[1]):
        raise wrong(f"{name}: {number} is out of bounds {limits}", "parameter_invalid_integer", name)
    return number


def metadata(value, name):
    if not isinstance(value, dict):
        raise wrong("Invalid hash", "parameter_invalid_hash" if value else "parameter_invalid_empty", name)
    if len(value) > 50:
        raise wrong("metadata has more than 50 keys", param=name)
    for key, text in value.items():
        if not isinstance(text, str) or len(key) > 40 or len(text) > 500:
            raise wrong(f"metadata: key over 40 or value over 500 characters, or no text: {key[:50]}", param=f"{name}[{key}]")
    return value


def scalar(value, kind, name):
    word, *limits = kind.rstrip("?").split(" ")
    if word == "metadata" and not (value == "" and kind.endswith("?")):
        return metadata(value, name)
    if not isinstance(value, str):
        raise wrong("Invalid string", "parameter_invalid_string", name)
    if value == "":
        if kind.endswith("?") or word == "empty":
            return None
        raise wrong(f"{name} cannot be emptied", "parameter_invalid_empty", name)
    if word == "integer":
        return integer(value, limits, name)
    if word == "timestamp_or_now" and value == "now":
        return value
    if word.startswith("timestamp"):
        return integer(value, ["0", "9999999999"], name)
    if word == "boolean":
        if value not in ("true", "false"):
            raise wrong("Invalid boolean: " + value, "parameter_invalid_boolean", name)
        return value == "true"
    if word == "enum":
        if value not in limits:
            raise wrong(f"Invalid {name}: must be one of {', '.join(limits)}", param=name)
        return value
    if word == "currency":
        if not re.fullmatch("[A-Za-z]{3}", value):
            raise wrong("Invalid currency: " + value, "parameter_invalid_string", name)
        return value.lower()
    if word == "decimal" and not re.fullmatch(r"-?[0-9]+(\.[0-9]{1,12})?", value):
        raise wrong("Invalid decimal: " + value, param=name)
    if word == "url" and not re.fullmatch(r"https?://[^\s/]+(/\S*)?|https?://[^\s/]+\?\S*", value):
        raise wrong("Not a valid URL", "url_invalid", name)
    if word == "email" and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value):
        raise wrong("Invalid email address: " + value, "email_invalid", name)
    most = int(limits[0]) if limits and word in ("string", "email") else 5000
    if len(value) > most:
        raise wrong(f"{name} has {len(value)} characters, {most} are allowed", "parameter_invalid_string", name)
    return value


class Description:
    """stripe_api.json, and what it says of a request."""

    def __init__(self):
        with open(os.path.join(os.path.dirname(__file__), "stripe_api.json")) as file:
            data = json.load(file)
        self.version, self.shapes = data["version"], data["shapes"]
        self.requests = []
        for request, parameters in data["requests"].items():
            method, path = request.split(" ")
            pattern = re.compile(re.sub(r"\{\w+\}", "([A-Za-z0-9_-]+)", path))
            self.requests.append((method, pattern, path, self.merged(parameters)))

    def merged(self, parameters):
        parts = parameters if isinstance(parameters, list) else [parameters]
        result = {}
        for part in parts:
            result.update(self.shapes[part] if isinstance(part, str) else part)
        return result

    def find(self, method, path):
        """The request's template, the ids in its path, its parameters; refuses what there is not."""
        known = False
        for wanted, pattern, template, parameters in self.requests:
            match = pattern.fullmatch(path)
            if match and wanted == method:
                return f"{method} {template}", match.groups(), parameters
            known = known or match is not None
        raise Refusal(405 if known else 404, f"Unrecognized request URL ({method}: {path})", saved=False)

    def typed(self, given, wanted, prefix=""):
        """The parameters with their types, or a refusal that names the one that is wrong."""
        wanted = {name.rstrip("!"): (kind, name.endswith("!")) for name, kind in wanted.items()}
        result = {}
        for name, value in given.items():
            full = f"{prefix}[{name}]" if prefix else name
            if name == "" or name not in wanted:
                raise wrong("Received unknown parameter: " + full, "parameter_unknown", full)
            result[name] = self.value(value, wanted[name][0], full)
        for name, (_, required) in wanted.items():
            if required and name not in given:
                full = f"{prefix}[{name}]" if prefix else name
                raise wrong("Missing required param: " + full, "parameter_missing", full)
        return result

    def value(self, value, kind, name):
        if isinstance(kind, list):
            if isinstance(value, dict) and list(value) == [str(i) for i in range(len(value))]:
                value = list(value.values())
            if not isinstance(value, list):
                raise wrong("Invalid array", "parameter_invalid_array", name)
            return [self.value(item, kind[0], f"{name}[{i}]") for i, item in enumerate(value)]
        if kind == "range" and isinstance(value, str):
            return scalar(value, "timestamp", name)
        if isinstance(kind, str) and kind in self.shapes:
            kind = self.shapes[kind]
        if isinstance(kind, dict):
            if value == "" and "" in kind:
                return None
            if not isinstance(value, dict):
                raise wrong("Invalid hash", "parameter_invalid_hash", name)
            return self.typed(value, {k: v for k, v in kind.items() if k}, name)
        return scalar(value, kind, name)
