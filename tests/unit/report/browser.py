"""A headless Chromium over its debugging pipe: a page as it is really laid out, at any size, dark, and on paper."""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gryphon.lab import needs

PATIENCE_S = 60.0
_FLAGS = [
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",  # which refuses root; the pages are our own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--hide-scrollbars",
]


class Browser:
    """One page of a browser that has no network."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._ids = itertools.count(1)
        self._read = b""
        self._session: str | None = None
        self._loaded = False
        self.complaints: list[str] = []  # of the console, in order
        self.requested: list[str] = []  # addresses that the page has asked for
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """One command of the DevTools protocol, and its answer; what comes before it is looked at."""
        number = next(self._ids)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next(method)
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self._notice(answer)

    def open(self, page: Path) -> None:
        """Load a file and wait until it is there."""
        self.complaints.clear()
        self.requested.clear()
        self._loaded = False
        went = self.call("Page.navigate", url=page.resolve().as_uri())
        assert "errorText" not in went, went
        while not self._loaded:
            self._notice(self._next("Page.navigate"))

    def show(self, width: int, height: int = 800, *, dark: bool = False, media: str = "") -> None:
        """Lay out for a screen of so many pixels, or for ``media="print"``."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", media=media, features=scheme)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, path: Path) -> None:
        """The whole page as PNG."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def pdf(self) -> bytes:
        """The page as it is printed."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"])

    def _next(self, method: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._answers], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"chromium does not answer {method}"
            piece = os.read(self._answers, 1 << 20)
            assert piece, f"chromium ended at {method}"
            self._read += piece
        message, _, self._read = self._read.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer

    def _notice(self, event: dict[str, Any]) -> None:
        name, parameters = event.get("method"), event.get("params", {})
        if name in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.complaints.append(json.dumps(parameters)[:500])
        if name == "Page.loadEventFired":
            self._loaded = True
        if name == "Network.requestWillBeSent":
            self.requested.append(parameters["request"]["url"])


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser that ends when left. Raises ``EnvironmentFault`` where chromium is not installed."""
    program = needs.tool("chromium")
    to_it, our_commands = os.pipe()
    our_answers, from_it = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        # chromium reads commands from descriptor 3 and answers on 4; high ones first, so that neither is overwritten
        high_in, high_out = os.dup(to_it), os.dup(from_it)
        shell = f'exec 3<&{high_in} 4>&{high_out}; exec "$@"'
        child = subprocess.Popen(
            ["/bin/bash", "-c", shell, "bash", program, *_FLAGS, f"--user-data-dir={home}", "about:blank"],
            pass_fds=(high_in, high_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": home},
        )
        for end in (to_it, from_it, high_in, high_out):
            os.close(end)
        try:
            yield Browser(our_commands, our_answers)
        finally:
            os.close(our_commands)  # it ends when its pipe does
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            os.close(our_answers)
