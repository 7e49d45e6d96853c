"""A proxy before an HTTP server that fails some of its requests, each in one of the ways real stores do.

Which fail, and how, is drawn from a seed; the answers to all others are passed on as they are. It counts what was
asked and what was sent, for those who want to know what a reader fetches.
"""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

FAULTS = ("500", "503", "reset before", "reset after", "cut short")
_CODES = {
    "403": "AccessDenied",
    "409": "ConditionalRequestConflict",
    "500": "InternalError",
    "503": "SlowDown",
}
_OWN_HEADERS = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "server",
    "date",
}  # of a connection, not an answer


@dataclass(frozen=True)
class Asked:
    """One request: what it was, what came of it, and the bytes of the answer's body that were sent."""

    method: str
    target: str
    condition: str
    fault: str
    sent: int


@dataclass
class FailingProxy:
    """Serves on a port of loopback while the context lasts.

    Attributes:
        upstream: The URL of the server behind it.
        one_in: Of so many requests one fails; 0 for none.
        methods: Only these fail, all where it is empty.
        faults: How they fail: one of `FAULTS`, or a status.
        asked: Every request so far.
    """

    upstream: str
    one_in: int = 0
    seed: int = 1
    methods: tuple[str, ...] = ()
    faults: tuple[str, ...] = FAULTS
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._draws, self._lock = random.Random(self.seed), threading.Lock()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def fault(self, method: str) -> str:
        """How the next request fails; "" where it does not."""
        with self._lock:
            fails = self.one_in and self._draws.randrange(self.one_in) == 0
            return self._draws.choice(self.faults) if fails and method in (self.methods or (method,)) else ""

    def tally(self) -> Counter[str]:
        """How many requests met which fault."""
        return Counter(each.fault for each in self.asked if each.fault)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    proxy: FailingProxy
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:  # the client has gone
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.proxy.fault(self.command)
        if fault == "reset before":
            self._hang_up(fault, 0)
        elif fault in _CODES:
            text = f"<Error><Code>{_CODES[fault]}</Code><Message>drawn</Message></Error>".encode()
            self._send(int(fault), {}, text, fault)
        else:
            upstream = urlsplit(self.proxy.upstream)
            connection = http.client.HTTPConnection(str(upstream.hostname), upstream.port, timeout=60)
            connection.request(self.command, self.path, body, dict(self.headers))
            response = connection.getresponse()
            content = response.read()
            connection.close()
            if fault == "reset after":
                self._hang_up(fault, 0)
                return
            headers = {name: value for name, value in response.getheaders() if name.lower() not in _OWN_HEADERS}
            self._send(response.status, headers, content, fault)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer  # noqa: N815

    def _send(self, status: int, headers: dict[str, str], content: bytes, fault: str) -> None:
        cut = fault == "cut short"
        sent = 0 if self.command == "HEAD" else len(content) // 2 if cut else len(content)
        self._note(fault, sent)  # before the client can know of it
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() != "content-length" or self.command == "HEAD":
                self.send_header(name, value)
        if self.command != "HEAD" and status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:sent])
        self.wfile.flush()
        if cut:
            self.connection.shutdown(socket.SHUT_WR)
            self.close_connection = True

    def _hang_up(self, fault: str, sent: int) -> None:
        self._note(fault, sent)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def _note(self, fault: str, sent: int) -> None:
        condition = ", ".join(
            f"{name} {self.headers[name]}" for name in ("If-None-Match", "If-Match") if self.headers[name]
        )
        self.proxy.asked.append(Asked(self.command, self.path, condition, fault, sent))
