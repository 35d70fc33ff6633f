"""A headless Chromium for tests, driven over a pipe by the DevTools protocol; needs no other package."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PROGRAM = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
WHY_NOT = "there is no Chromium: `apt-get install chromium` brings it"
ROWS = "[...document.querySelectorAll('{} tbody tr:not(.detail)')]"
NAMES = ROWS + ".filter(row => !row.hidden).map(row => row.dataset.agent)"
_LAUNCH = (  # the browser reads commands from descriptor 3 and answers on 4
    "import os, sys; r, w = (os.dup(int(n)) for n in sys.argv[1:3]); r, w = os.dup(r), os.dup(w);"
    "[os.dup2(f, g) for f, g in ((os.dup(r), 30), (os.dup(w), 31), (30, 3), (31, 4))];"
    "os.execv(sys.argv[3], sys.argv[3:])"
)
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--hide-scrollbars", "--force-device-scale-factor=1", "--remote-debugging-pipe", "about:blank"),
)


class Browser:
    """One tab. Errors and warnings of its console are collected in ``troubles``."""

    def __init__(self, profile: Path) -> None:
        assert PROGRAM is not None
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        command = [sys.executable, "-c", _LAUNCH, str(theirs_in), str(theirs_out), PROGRAM, *_FLAGS]
        self._process = subprocess.Popen(
            [*command[:-1], f"--user-data-dir={profile}", command[-1]],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._in, self._out, self._rest, self._number = ours_in, ours_out, b"", 0
        self._session = ""
        self.troubles: list[str] = []
        targets = self.send("Target.getTargets")["targetInfos"]
        tab = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self.send("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.requests: list[str] = []

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Sends a command and waits for its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def open(
        self, url: str, width: int = 1280, height: int = 900, is_dark: bool = False, is_waiting: bool = True
    ) -> None:
        """Opens a page and waits until it shows its view."""
        self.size(width, height)
        self.dark(is_dark)
        self.send("Page.navigate", url="about:blank")
        self.send("Page.navigate", url=url)
        if is_waiting:
            self.wait("document.body && document.body.dataset.shown")

    def size(self, width: int, height: int) -> None:
        """The size of the window; a narrow one is a telephone."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if width < 600 else 1,
            mobile=width < 600,
        )

    def dark(self, is_dark: bool) -> None:
        """What the system prefers."""
        value = "dark" if is_dark else "light"
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": value}])

    def eval(self, expression: str) -> Any:
        """The value of a JavaScript expression; of a promise, its result."""
        answer = self.send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str, seconds: float = 30) -> Any:
        """Waits until an expression is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(AssertionError):
                if (found := self.eval(expression)) not in (None, False, 0, ""):  # an element comes as {}
                    return found
            time.sleep(0.02)
        raise AssertionError(f"never true: {expression}; console: {self.troubles}")

    def click(self, selector: str) -> None:
        """A real click of the mouse in the middle of an element."""
        middle = (
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center', behavior: 'instant'}); const b = e.getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        x, y = self.eval(middle)
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def hover(self, selector: str) -> None:
        """Moves the mouse over an element."""
        middle = (
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center', behavior: 'instant'}); const b = e.getBoundingClientRect();"
            " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        x, y = self.eval(middle)
        for shift in (2, 0):
            self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x + shift, y=y)

    def key(self, name: str, code: int, text: str = "") -> None:
        """Presses a key, e.g. ``key("Enter", 13, "\\r")``."""
        for kind in ("keyDown", "keyUp"):
            words = {"text": text} if text and kind == "keyDown" else {}
            self.send(
                "Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code, **words
            )

    def type(self, text: str) -> None:
        """Types into what has the focus."""
        self.send("Input.insertText", text=text)

    def shot(self, path: Path, is_whole: bool = False) -> None:
        """A picture of the window, or of the whole page."""
        answer = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=is_whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def close(self) -> None:
        """Ends the browser."""
        with contextlib.suppress(AssertionError, OSError):
            self._session = ""
            self.send("Browser.close")
        self._process.wait(20)
        os.close(self._in)
        os.close(self._out)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            assert select.select([self._in], [], [], 60)[0], "Chromium does not answer"
            piece = os.read(self._in, 1 << 20)
            assert piece, "Chromium has ended"
            self._rest += piece
        line, self._rest = self._rest.split(b"\0", 1)
        message = json.loads(line)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, method: str, said: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = said["exceptionDetails"]
            self.troubles.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning", "assert"):
            self.troubles.append(str([one.get("value") for one in said["args"]]))
        elif method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            self.troubles.append(said["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            url = said["request"]["url"]
            if hasattr(self, "requests") and not url.startswith(("data:", "about:", "blob:")):
                self.requests.append(url)


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser that is ended whatever happens."""
    made = Browser(profile)
    try:
        yield made
    finally:
        made.close()


def names(tab: Browser, table: str) -> list[str]:
    """The agents in the rows of a table, in order, as far as they are shown."""
    return tab.eval(NAMES.format(table))
