"""A lease in an object store, which has no locks: a numbered object that its holder keeps changing while it lives.

    <store>/.lock/00000007.json     who holds the store, or held it last

The next holder creates the next number on the condition that nobody has: of two the first wins. It may as soon as
the last one is released, or has not changed for a minute of the watcher's own clock; clocks of two hosts are never
compared. Who finds a higher number than its own has lost the store. No number is used twice, so a holder that
slept through its own death cannot speak in another's name.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from corpus import storage
from corpus.errors import StoreError, TokentrailError

FOLDER: Final = ".lock"


class Owner(msgspec.Struct, frozen=True):
    """Who holds a store.

    Attributes:
        id: Random; tells two holders of one host and process number apart.
        beats: Grows while the holder lives.
        released: Whether it has let go.
    """

    holder: str
    host: str
    process: int
    since: str
    id: str
    beats: int = 0
    released: bool = False

    @classmethod
    def myself(cls, holder: str) -> Owner:
        """This process, from now on."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(holder, socket.gethostname(), os.getpid(), now, secrets.token_hex(8))

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}, since {self.since}"


@dataclass(frozen=True)
class Rhythm:
    """How often a holder shows that it lives, and when it is taken for dead.

    Attributes:
        beat: Seconds from one sign of life to the next.
        silence: Seconds without one after which the holder counts as dead.
    """

    beat: float = 10.0  # unpublished: our choice; two cheap requests each
    silence: float = 60.0  # unpublished: our choice; no store we know keeps a request waiting so long


class LostError(BaseException):
    """Another process took the store; no handler of errors on its way is to hold it up."""


def held(owner: Owner | None, holder: str, store: str, option: str) -> StoreError:
    """The error of whoever comes second."""
    return StoreError(
        f"another {holder} holds this store" + (f": {owner}" if owner else ""),
        where=store,
        remedy=f"wait for it, or choose another folder with {option}",
    )


@contextmanager
def heartbeat(store: str, owner: Owner, option: str, rhythm: Rhythm) -> Iterator[None]:
    """Holds an object store, from the main thread.

    Raises:
        StoreError: Another one lives in it, or has taken it meanwhile.
    """
    number = _take(storage.join(store, FOLDER), owner, option, rhythm)
    beating = _Beating(storage.join(store, FOLDER), number, owner, rhythm)
    before = signal.signal(signal.SIGUSR1, _lose)
    try:
        with beating:
            yield
    except LostError as error:
        raise StoreError(
            f"another {owner.holder} took this store ({beating.successor}): this one showed no life for "
            f"{rhythm.silence:g} s",
            where=store,
            remedy="let that one go on: what was done here is kept, and is the same there",
        ) from error
    finally:
        signal.signal(signal.SIGUSR1, before)


def _lose(number: int, frame: object) -> None:
    raise LostError


def _take(folder: str, owner: Owner, option: str, rhythm: Rhythm) -> int:
    """Becomes the holder; gives the number of the lease."""
    while True:
        numbers = _numbers(folder)
        last = max(numbers, default=0)
        standing = _read(folder, last) if last else None
        if standing is not None and not standing.released and _lives(folder, last, standing, rhythm):
            raise held(standing, owner.holder, folder.removesuffix(f"/{FOLDER}"), option)
        if storage.publish(_url(folder, last + 1), msgspec.json.encode(owner)):
            for number in numbers:
                storage.remove(_url(folder, number))
            return last + 1


def _lives(folder: str, number: int, standing: Owner, rhythm: Rhythm) -> bool:
    """Watches for a sign of life."""
    print(f"held by {standing}; dead if it shows no life for {rhythm.silence:g} s", file=sys.stderr, flush=True)
    since = time.monotonic()
    while time.monotonic() - since < rhythm.silence:
        time.sleep(rhythm.beat / 5)
        now = _read(folder, number)
        if now != standing:
            return now is not None and not now.released
    return False


class _Beating:
    """The thread that shows life, and finds out when nobody believes it any more.

    Attributes:
        successor: Who took the store.
    """

    def __init__(self, folder: str, number: int, owner: Owner, rhythm: Rhythm) -> None:
        self._folder, self._number, self._owner, self._rhythm = folder, number, owner, rhythm
        self.successor: Owner | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join(self._rhythm.beat)
        if self.successor is not None:
            return
        with suppress(TokentrailError):  # the next holder waits a minute then
            _write(self._folder, self._number, msgspec.structs.replace(self._owner, released=True))

    def _run(self) -> None:
        while not self._end.wait(self._rhythm.beat):
            with suppress(TokentrailError):  # a store that does not answer the build will say so itself
                last = max(_numbers(self._folder), default=0)
                if last > self._number:
                    self.successor = _read(self._folder, last)
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
                    return
                self._owner = msgspec.structs.replace(self._owner, beats=self._owner.beats + 1)
                _write(self._folder, self._number, self._owner)


def _url(folder: str, number: int) -> str:
    return storage.join(folder, f"{number:08d}.json")


def _numbers(folder: str) -> list[int]:
    names = (name.removesuffix(".json") for name in storage.list_files(folder))
    return sorted(int(name) for name in names if name.isdecimal())


def _read(folder: str, number: int) -> Owner | None:
    """The holder of that number, or None where its successor has cleared it away."""
    try:
        return msgspec.json.decode(storage.read_bytes(_url(folder, number)), type=Owner)
    except FileNotFoundError:
        return None


def _write(folder: str, number: int, owner: Owner) -> None:
    file = storage.NewFile(_url(folder, number))
    file.write(msgspec.json.encode(owner))
    file.publish()
