"""Debian's Chromium without a window, driven over a pipe by its DevTools protocol: nothing else is needed."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

from harness import Skipped, check

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe")


class Browser:
    """One page. What it asked for, and what it complained of, is kept."""

    def __init__(self, binary="/usr/bin/chromium"):
        if not os.path.exists(binary):
            raise Skipped(f"{binary} is not installed")
        self.profile = tempfile.mkdtemp(prefix="m365-chromium-")
        to_child, self.write_end = os.pipe()
        self.read_end, from_child = os.pipe()

        def hand_over():
            # Chromium reads commands from 3 and writes answers to 4.
            first, second = os.dup(to_child), os.dup(from_child)
            os.dup2(first, 3)
            os.dup2(second, 4)

        self.process = subprocess.Popen(
            [binary, *FLAGS, f"--user-data-dir={self.profile}", "about:blank"], preexec_fn=hand_over,
            pass_fds=(3, 4, to_child, from_child), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        os.close(to_child)
        os.close(from_child)
        self.buffer, self.number, self.session = b"", 0, None
        self.requests, self.complaints = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(domain + ".enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        os.close(self.write_end)
        os.close(self.read_end)
        shutil.rmtree(self.profile, ignore_errors=True)

    def receive(self, longest):
        until = time.monotonic() + longest
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.read_end], [], [], max(0, until - time.monotonic()))
            got = os.read(self.read_end, 1 << 20) if ready else b""
            check(got, f"the browser says nothing for {longest} s")
            self.buffer += got
        line, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(line)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        while True:
            got = self.receive(30)
            if got.get("id") == self.number:
                check("error" not in got, f"{method}: {got.get('error')}")
                return got["result"]
            self.note(got)

    def note(self, event):
        kind, told = event.get("method"), event.get("params", {})
        if kind == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif kind == "Runtime.exceptionThrown":
            self.complaints.append(told["exceptionDetails"].get("exception", {}).get("description") or str(told))
        elif kind == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.complaints.append(told["entry"]["text"] + " " + told["entry"].get("url", ""))
        elif kind == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(told["args"]))

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.wait_for(f"location.href.startsWith({json.dumps(url)}) && document.readyState === 'complete'", f"{url} is loaded")

    def value(self, expression):
        got = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        check("exceptionDetails" not in got, f"{expression}: {got.get('exceptionDetails')}")
        return got["result"].get("value")

    def text(self, selector):
        """What a person reads there; empty if it is not shown."""
        return self.value(f"(e => e && e.checkVisibility() ? e.innerText : '')(document.querySelector({json.dumps(selector)}))")

    def wait_for(self, expression, what, longest=20):
        until = time.monotonic() + longest
        while not self.value(expression):
            check(time.monotonic() < until, f"not within {longest} s: {what}; the page says: {self.text('body')[:1500]}")
            time.sleep(0.05)

    def press(self, key, text=None):
        codes = {"Tab": 9, "Enter": 13}
        more = {"text": text} if text else {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=codes.get(key, 0), **more)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=codes.get(key, 0))

    def write(self, text):
        self.call("Input.insertText", text=text)

    def size(self, width, height=900, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def screenshot(self, file):
        got = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        with open(file, "wb") as f:
            f.write(base64.b64decode(got["data"]))
