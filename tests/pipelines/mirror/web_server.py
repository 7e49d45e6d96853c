"""A web server on this machine that gives ranges as RFC 9110 has them, and fails as it is told to."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pipelines.mirror.client import Client, Pace


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one answer.

    Attributes:
        status: Given in place of the file.
        headers: Given with that status.
        after: The connection breaks after so many bytes of the body.
        until: The answer stops after `after` bytes until this is set, and goes on then.
        content_range: Told in place of the true one.
    """

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    after: int | None = None
    until: threading.Event | None = None
    content_range: str = ""


@dataclass
class Page:
    """One file of the server.

    Attributes:
        framing: How a reader knows where the body ends.
        faults: Of the answers to come, in turn; None is an answer without.
        extra: Headers given with the file.
        versions: What the page becomes after each answer with the file: body, ETag, time of change.
    """

    body: bytes
    etag: str = '"1"'
    modified: str = ""
    ranges: bool = True
    framing: str = "length"  # "chunks", or "close": the end of the connection
    faults: list[Fault | None] = field(default_factory=list)
    extra: tuple[tuple[str, str], ...] = ()
    versions: list[tuple[bytes, str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Asked:
    """One request: its path and the headers that matter, "" where there was none."""

    path: str
    range: str
    if_range: str


class WebServer(ThreadingHTTPServer):
    """Pages by path, and every request in order."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, Page] = {}
        self.asked: list[Asked] = []

    def url(self, path: str = "") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"

    def put(self, path: str, body: bytes, **traits: object) -> Page:
        self.pages[path] = Page(body, **traits)  # type: ignore[arg-type]
        return self.pages[path]

    def ranges(self) -> list[str]:
        return [asked.range for asked in self.asked]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: WebServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.removeprefix("/")
        asked = Asked(path, self.headers.get("Range", ""), self.headers.get("If-Range", ""))
        self.server.asked.append(asked)
        page = self.server.pages.get(path)
        if page is None:
            return self._head(404, {"Content-Length": "0"})
        fault = (page.faults.pop(0) if page.faults else None) or Fault()
        if fault.status:
            return self._head(fault.status, {"Content-Length": "0", **dict(fault.headers)})
        body, status, headers = page.body, 200, dict(page.extra)
        if page.etag:
            headers["ETag"] = page.etag
        if page.modified:
            headers["Last-Modified"] = page.modified
        start = re.fullmatch(r"bytes=(\d+)-", asked.range)
        same = not asked.if_range or asked.if_range in (page.etag, page.modified)
        if start and page.ranges and same:
            begin, size = int(start[1]), len(page.body)
            if begin >= size:
                return self._head(416, {"Content-Range": f"bytes */{size}", "Content-Length": "0"})
            status, body = 206, body[begin:]
            headers["Content-Range"] = fault.content_range or f"bytes {begin}-{size - 1}/{size}"
        if page.versions:
            page.body, page.etag, page.modified = page.versions.pop(0)
        return self._give(status, headers, (body, page.framing), fault)

    def _give(self, status: int, headers: dict[str, str], whole: tuple[bytes, str], fault: Fault) -> None:
        body, framing = whole
        if framing == "length":
            headers["Content-Length"] = str(len(body))
        elif framing == "chunks":
            headers["Transfer-Encoding"] = "chunked"
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        else:
            headers["Connection"] = "close"
        self._head(status, headers)
        self.wfile.write(body[: fault.after])
        if fault.until:
            fault.until.wait(60)
            self.wfile.write(body[fault.after :])
        elif fault.after is not None:
            self.close_connection = True

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Not on the terminal of the tests."""


@contextmanager
def serving() -> Iterator[WebServer]:
    """A server while it is needed."""
    with WebServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class Time:
    """A clock that stands still but for those who sleep by it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@contextmanager
def asking(time: Time, rate: int = 0) -> Iterator[tuple[Client, list[str]]]:
    """A client in that time, and what it says."""
    said: list[str] = []
    client = Client(Pace(rate, time.clock, time.sleep), said.append)
    try:
        yield client, said
    finally:
        client.close()
