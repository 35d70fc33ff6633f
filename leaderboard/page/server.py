"""Serves the page on this machine and makes it again when records have changed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST = "127.0.0.1"
"""Only this machine: records are nobody else's business."""
LOCAL_NAMES = (HOST, "localhost")

Build = Callable[[], Mapping[str, str]]
"""Makes path below the server's root to text: ``index.html`` and the CSV files."""


class PageServer:
    """A page that follows a results folder.

    Args:
        build: makes the files; a ValueError keeps the last ones and is told on the page.
        results: the folder whose changes are followed.
        port: where to listen, 0 for any free one.

    Raises:
        OSError: the port is taken.
        ValueError: the first build fails.
    """

    def __init__(self, build: Build, results: Path, port: int) -> None:
        self._build, self._results = build, results
        self._http = ThreadingHTTPServer((HOST, port), self._handler())
        self._http.daemon_threads = True
        self._stamp = self._version = stamp(results)
        try:
            self._files = build()
        except ValueError:
            self._http.server_close()
            raise
        self._trouble = ""
        self._stop = threading.Event()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self._http.server_port}/"

    def serve(self, every: float = 5.0, told: Callable[[str], None] = lambda _: None) -> None:
        """Serves until `close` is called or the process is interrupted.

        Args:
            every: seconds between looks at the results folder.
            told: gets one line each time the page was made again, or could not be.
        """
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        try:
            while not self._stop.wait(every):
                if self.refresh():
                    told(self._trouble or "records have changed: the page is new")
        finally:
            self._http.shutdown()
            self._http.server_close()

    def refresh(self) -> bool:
        """Makes the page again if records have changed since the last time; whether it tried."""
        now = stamp(self._results)
        if now == self._stamp:
            return False
        self._stamp = now
        try:
            self._files = self._build()
            self._version, self._trouble = now, ""
        except ValueError as error:
            self._trouble = f"the records cannot be read now, this is the last page: {error}"
        return True

    def close(self) -> None:
        """Ends `serve`."""
        self._stop.set()

    def answer(self, path: str, host: str) -> tuple[int, str, str]:
        """Status, media type and text for a path; a foreign host name is refused (DNS rebinding)."""
        if host.rsplit(":", 1)[0] not in LOCAL_NAMES:
            return 403, "text/plain", "this server is for this machine only\n"
        name = path.split("?", 1)[0].lstrip("/") or "index.html"
        if name == "version":
            return 200, "application/json", json.dumps({"version": self._version, "trouble": self._trouble})
        text = self._files.get(name)
        if text is None:
            return 404, "text/plain", "there is no such file\n"
        return 200, "text/html" if name.endswith(".html") else "text/csv", text

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self.answer

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, kind, text = answer(self.path, self.headers.get("Host", ""))
                content = text.encode()
                with contextlib.suppress(ConnectionError):
                    self.send_response(status)
                    self.send_header("Content-Type", f"{kind}; charset=utf-8")
                    self.send_header("Content-Length", str(len(content)))
                    self.send_header("Cache-Control", "no-store")
                    self.send_header("X-Content-Type-Options", "nosniff")
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Requests are not told."""

        return Handler


def stamp(results: Path) -> str:
    """A word that changes when a record below a folder does: of names, sizes and times of change."""
    found: list[str] = []
    for pattern in ("*.json", "*.jsonl"):
        for path in results.rglob(pattern):
            with contextlib.suppress(OSError):  # a file that is being replaced
                about = path.stat()
                found.append(f"{path} {about.st_size} {about.st_mtime_ns}")
    return hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()[:16]
