"""browser.py - Chromium without a window, driven over its DevTools pipe: no port, no package.

    with Browser() as browser:
        page = browser.open("file:///tmp/x.html", 390, scheme="dark")
        page.value("document.title")

The protocol: https://chromedevtools.github.io/devtools-protocol/ ; over --remote-debugging-pipe it is
JSON texts that end in a NUL, read from descriptor 3 and written to descriptor 4."""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

TIMEOUT_S = 60


class Browser:
    def __enter__(self):
        self.home = tempfile.mkdtemp(prefix="gbill-browser-")
        to_read, self.to_fd = os.pipe()
        self.from_fd, from_write = os.pipe()
        # Through descriptors that are neither 3 nor 4, whatever the pipes got.
        high = [os.dup(fd) for fd in (to_read, from_write)]
        while min(high) < 5:
            high = [os.dup(fd) for fd in high]
        command = ["chromium", "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
                   "--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage",
                   f"--user-data-dir={self.home}", "about:blank"]
        self.process = subprocess.Popen(["sh", "-c", f'exec "$@" 3<&{high[0]} 4>&{high[1]}', "sh"] + command,
                                        pass_fds=high, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for fd in [to_read, from_write] + high:
            os.close(fd)
        self.pending, self.number, self.events = b"", 0, []
        return self

    def __exit__(self, *_):
        try:
            self.call("Browser.close")
            self.process.wait(TIMEOUT_S)
        except Exception:
            self.process.kill()
            self.process.wait()
        os.close(self.to_fd)
        os.close(self.from_fd)
        shutil.rmtree(self.home, ignore_errors=True)

    def receive(self):
        deadline = time.monotonic() + TIMEOUT_S
        while b"\0" not in self.pending:
            ready, _, _ = select.select([self.from_fd], [], [], max(0, deadline - time.monotonic()))
            more = os.read(self.from_fd, 1 << 20) if ready else b""
            if not more:
                raise RuntimeError("chromium does not answer" if not ready else "chromium has ended")
            self.pending += more
        text, self.pending = self.pending.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, session=None, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to_fd, data):]
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def open(self, url, width, height=844, scheme="light", media="screen"):
        return Page(self, url, width, height, scheme, media)


class Page:
    """What it asked for and complained about is in requests and complaints."""

    def __init__(self, browser, url, width, height, scheme, media):
        self.browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", media=media,
                  features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=url)
        self.wait("Page.loadEventFired")

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def wait(self, method):
        while not any(e.get("method") == method and e.get("sessionId") == self.session
                      for e in self.browser.events):
            self.browser.events.append(self.browser.receive())

    def _events(self, *methods):
        return [e["params"] for e in self.browser.events
                if e.get("sessionId") == self.session and e.get("method") in methods]

    @property
    def requests(self):
        return [p["request"]["url"] for p in self._events("Network.requestWillBeSent")]

    @property
    def blocked(self):
        return [p.get("blockedReason") for p in self._events("Network.loadingFailed")]

    @property
    def complaints(self):
        return self._events("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")

    def value(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def accessible(self):
        """(role, name) of all that assistive technology is told of."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in nodes
                if not n.get("ignored") and "role" in n]

    def picture(self, path):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True,
                         clip={"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1})
        with open(path, "wb") as out:
            out.write(base64.b64decode(data["data"]))

    def pdf(self, path):
        with open(path, "wb") as out:
            out.write(base64.b64decode(self.call("Page.printToPDF", printBackground=True,
                                                 preferCSSPageSize=True)["data"]))
