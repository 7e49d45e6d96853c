"""Asks web servers: patiently, and no faster than it may. The one seam to requests.

urllib3's `Retry`, which comes with it, knows when a server wants to be asked again, in seconds or as a date, and
how long to wait where none says. That half a file came before the connection broke is what it cannot know:
patience begins anew then.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeVar

from corpus.errors import FetchError, RecipeError

try:
    import requests
    from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError
    from urllib3.util import Retry
except ImportError as error:
    raise RecipeError(
        "a mirror needs the library requests", where="--mirror", remedy="pip install 'tokentrail[mirror]'"
    ) from error

T = TypeVar("T")

PIECE = 1 << 18
# Waits of 0, 2, 4, 8 and 16 seconds (unpublished: our choice). The answers that another attempt may mend are those
# of curl's --retry, and 425 Too Early (RFC 8470, section 5.2).
PATIENCE = Retry(total=5, backoff_factor=1, status_forcelist={408, 425, 429, 500, 502, 503, 504})
# Seconds to connect, and seconds without a byte (unpublished: our choice).
_TIMEOUT = (15.0, 60.0)
# `identity`: the bytes as they lie there, which is what a pin is of.
_HEADERS = {"User-Agent": "tokentrail", "Accept-Encoding": "identity"}


class DroppedError(Exception):
    """Something failed that another attempt may mend.

    Attributes:
        response: The server's, where it gave one: it may say when to come again.
    """

    def __init__(self, what: str, response: requests.Response | None = None) -> None:
        super().__init__(what)
        self.response = response


@dataclass(frozen=True)
class Answer:
    """What a server gives.

    Attributes:
        headers: By name, in any case.
        body: Its bytes as they come, at the pace they may; raises DroppedError where the connection breaks.
    """

    status: int
    headers: Mapping[str, str]
    body: Iterator[bytes]


def rate_of(text: str) -> int:
    """Bytes a second, as people write them: `10MB`.

    Raises:
        RecipeError: It is no such number.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kMG]?)B?(?:/s)?", text)
    rate = round(float(found[1]) * {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}[found[2]]) if found else 0
    if rate < 1:
        raise RecipeError(
            "this is no rate", where=f"--rate {text}", remedy="write bytes a second: 500kB, 10MB, 1GB"
        )
    return rate


@dataclass
class Pace:
    """Spreads bytes over time; a pause earns nothing, so the rate holds over every stretch.

    Attributes:
        rate: Bytes a second, 0 for no limit.
        clock: Gives seconds.
        sleep: Takes seconds.
    """

    rate: int = 0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _free: float = field(default=0.0, init=False)

    @property
    def piece(self) -> int:
        """How many bytes to take at once: no more than a second's."""
        return min(PIECE, self.rate) if self.rate else PIECE

    def took(self, size: int) -> None:
        """Sleeps until so many bytes more are within the rate."""
        if self.rate:
            now = self.clock()
            self._free = max(self._free, now) + size / self.rate
            self.sleep(self._free - now)


@dataclass(frozen=True)
class Client:
    """One person's connection to the world.

    Attributes:
        pace: Of all that is read.
        say: Takes a line for the person who waits.
        patience: How often in a row an attempt may gain nothing.
    """

    pace: Pace
    say: Callable[[str], None]
    patience: Retry = PATIENCE
    _session: requests.Session = field(default_factory=requests.Session, init=False)

    def close(self) -> None:
        """Hangs up."""
        self._session.close()

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[Answer]:
        """The answer of a server; 416, that a range is not there, is an answer too.

        Raises:
            DroppedError: Ask again.
            FetchError: It is not there, or may not be had.
        """
        try:
            response = self._session.get(
                url, headers=_HEADERS | dict(headers or {}), stream=True, timeout=_TIMEOUT
            )
        except (requests.ConnectionError, requests.Timeout) as error:
            raise DroppedError(f"no answer: {_root(error)}") from error
        except requests.RequestException as error:
            raise FetchError(f"cannot ask for it: {error}", where=url, remedy="mend the catalogue") from error
        with response:
            status, what = response.status_code, f"the server answers {response.status_code} {response.reason}"
            if self.patience.is_retry("GET", status):
                raise DroppedError(what, response)
            if not response.ok and status != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise FetchError(
                    what, where=url, remedy="open it in a browser; where it has moved, mend the catalogue"
                )
            yield Answer(status, response.headers, self._body(response))

    def _body(self, response: requests.Response) -> Iterator[bytes]:
        try:
            # Not decoded: what a server calls the encoding of a .gz is the file itself.
            for piece in response.raw.stream(self.pace.piece, decode_content=False):
                yield piece
                self.pace.took(len(piece))
        except HTTPError as error:
            raise DroppedError(f"the connection broke: {_root(error)}") from error

    def patiently(self, url: str, attempt: Callable[[], T], reached: Callable[[], int]) -> T:
        """What an attempt gives, once one succeeds.

        Args:
            reached: How many bytes there are; patience begins anew when they have become more.

        Raises:
            FetchError: No more patience.
        """
        best, patience = reached(), self.patience
        while True:
            try:
                return attempt()
            except DroppedError as error:
                if reached() > best:
                    best, patience = reached(), self.patience
                try:
                    patience = patience.increment("GET", url)
                except MaxRetryError:
                    raise FetchError(
                        f"{error}; gave up after {len(patience.history) + 1} attempts",
                        where=url,
                        remedy="start the same command again: what has come is kept, and it goes on from there",
                    ) from error
                wait = _wait(patience, error.response)
                self.say(f"{url}: {error}; asking again in {wait:.0f} s")
                self.pace.sleep(wait)


def _wait(patience: Retry, response: requests.Response | None) -> float:
    """Seconds until the next attempt: what the server asks for, else the longer the oftener it failed."""
    try:
        asked = patience.get_retry_after(response.raw) if response is not None else None
    except InvalidHeader:
        asked = None
    return asked or patience.get_backoff_time()


def _root(error: BaseException) -> BaseException:
    """The system's own words, below what each library wrapped around them."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error
