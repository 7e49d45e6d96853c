"""Fetches one file: a hidden part grows beside its name, and gets the name when it is whole and right.

A part is gone on with only where a change would be noticed: the note beside it says what it was begun from, and
the server is asked for the rest of that (RFC 9110, sections 13.1.5 and 14.2), or a pin vouches for the whole.
"""

from __future__ import annotations

import hashlib
import os
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import IO

import msgspec

from corpus.errors import FetchError
from corpus.source_catalogue import FileAt
from pipelines.mirror.client import PIECE, Answer, Client, DroppedError
from pipelines.progress import megabytes

_SPEAK_SECONDS = 10.0


class Begun(msgspec.Struct, frozen=True):
    """What a part is the beginning of.

    Attributes:
        validator: The strong ETag, else the time of the last change, else "".
        total: Bytes of the whole, None where the server does not say.
    """

    url: str
    validator: str
    total: int | None


class Fetched(msgspec.Struct, frozen=True):
    """What has come."""

    size: int
    sha256: str
    validator: str


class _Part:
    """The bytes of a file that have come, and their digest."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._path = target.with_name(f".{target.name}.part")
        self._note = target.with_name(f".{target.name}.part.json")

    def __enter__(self) -> _Part:
        self._target.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(self._path, "a+b")
        self._file.seek(0)
        self.size, self._digest = _hash(self._file)
        try:
            self.begun = msgspec.json.decode(self._note.read_bytes(), type=Begun)
        except (FileNotFoundError, msgspec.DecodeError):  # killed while it was written
            self.begun = Begun("", "", None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if not self.size:
            self.remove()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def continues(self, file: FileAt) -> bool:
        """Whether the rest of the file may be added, and nobody would mistake another file's for it."""
        known = self.begun.total is not None and (self.begun.validator or file.sha256)
        return bool(known) and self.begun.url == file.url and file.size in (0, self.begun.total)

    def begin(self, begun: Begun) -> None:
        """Forgets all bytes; notes what the next ones are the beginning of, before they come."""
        self._file.truncate(0)
        self.size, self._digest, self.begun = 0, hashlib.sha256(), begun
        self._note.write_bytes(msgspec.json.encode(begun))

    def append(self, piece: bytes) -> None:
        self._file.write(piece)
        self._digest.update(piece)
        self.size += len(piece)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def publish(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._path.replace(self._target)
        self._note.unlink(missing_ok=True)


def download(file: FileAt, target: Path, client: Client) -> Fetched:
    """Brings a file under its name, going on from what is there of it.

    Args:
        target: Its name; nobody else may be fetching it.

    Raises:
        FetchError: It cannot be had, and what has come is kept; or it is not what it should be, and nothing is.
        OSError: It cannot be written.
    """
    with _Part(target) as part:
        client.patiently(file.url, lambda: _attempt(file, part, client), lambda: part.size)
        if wrong := mismatch(file, part.size, part.sha256):
            part.remove()
            raise _wrong(file, wrong)
        part.publish()
    return Fetched(part.size, part.sha256, part.begun.validator)


def mismatch(file: FileAt, size: int, sha256: str) -> str:
    """How what is there differs from what should be, as far as that is known; "" where it does not."""
    if file.size and size != file.size:
        return f"{file.path} has {size:,} bytes, not {file.size:,}"
    if file.sha256 and sha256 != file.sha256:
        return f"{file.path} has sha256 {sha256}, not {file.sha256}"
    return ""


def _wrong(file: FileAt, what: str) -> FetchError:
    remedy = "nothing of it is kept: ask who keeps it there, or pin the new file if it is the one you want"
    return FetchError(what, where=file.url, remedy=remedy)


def _hash(file: IO[bytes]) -> tuple[int, hashlib._Hash]:
    """Size and digest of what is left to read."""
    size, digest = 0, hashlib.sha256()
    while piece := file.read(PIECE):
        digest.update(piece)
        size += len(piece)
    return size, digest


def _attempt(file: FileAt, part: _Part, client: Client) -> None:
    """Asks once for what the part lacks; returns when it is whole."""
    if part.size and not part.continues(file):
        part.begin(Begun(file.url, "", None))
    if part.size and part.size == part.begun.total:  # killed between the last byte and the name
        return
    with client.get(file.url, _conditions(part)) as answer:
        if answer.status == HTTPStatus.OK:
            if part.size:
                client.say(f"{file.path}: it has changed, or its server gives no ranges: from the start")
            part.begin(_begun(file, answer))
        elif not _is_rest(answer, part):
            part.begin(Begun(file.url, "", None))
            raise DroppedError(f"the server has no such rest: {answer.headers.get('Content-Range', '')}")
        else:
            client.say(f"{file.path}: going on from {megabytes(part.size)}")
        if file.size and part.begun.total not in (None, file.size):
            raise _wrong(file, f"{file.path} has {part.begun.total:,} bytes there, not {file.size:,}")
        _receive(file, part, client, answer)
    if part.begun.total not in (None, part.size):
        raise DroppedError(f"the server gave {part.size:,} of {part.begun.total:,} bytes")


def _conditions(part: _Part) -> dict[str, str]:
    if not part.size:
        return {}
    asked = {"Range": f"bytes={part.size}-"}
    return asked | {"If-Range": part.begun.validator} if part.begun.validator else asked


def _begun(file: FileAt, answer: Answer) -> Begun:
    headers = answer.headers
    length = headers.get("Content-Length", "")
    if not (length.isdigit() or "Transfer-Encoding" in headers or file.size or file.sha256):
        raise FetchError(
            "the server does not say how long the file is: nobody could tell whether all of it came",
            where=file.url,
            remedy="give it a size or sha256 in the catalogue",
        )
    etag = headers.get("ETag", "")
    validator = etag if etag.startswith('"') else headers.get("Last-Modified", "")  # W/"..." is weak
    return Begun(file.url, validator, int(length) if length.isdigit() else None)


def _is_rest(answer: Answer, part: _Part) -> bool:
    """Whether a range begins where the part ends, in a file of the same size: `bytes 5-9/10`."""
    extent, _, total = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    return extent.partition("-")[0] == str(part.size) and total == str(part.begun.total)


def _receive(file: FileAt, part: _Part, client: Client, answer: Answer) -> None:
    """Appends what comes, and says now and then how far it is."""
    spoke = client.pace.clock()
    for piece in answer.body:
        part.append(piece)
        if client.pace.clock() - spoke > _SPEAK_SECONDS:
            spoke = client.pace.clock()
            total = f" of {megabytes(part.begun.total)}" if part.begun.total else ""
            client.say(f"{file.path}: {megabytes(part.size)}{total}")
