"""What a mirror holds: a line for every file, so that what is there is neither fetched nor hashed again."""

from __future__ import annotations

from pathlib import Path

import msgspec

NAME = ".mirror.jsonl"


class Receipt(msgspec.Struct, frozen=True):
    """One file that is here.

    Attributes:
        path: Below the mirror's folder.
        url: Where it is had.
        validator: Its ETag or time of change at the server, or "".
        seen: The day it was fetched, or found here, as YYYY-MM-DD.
        stamp: What the file system changes with the file.
    """

    path: str
    url: str
    size: int
    sha256: str
    validator: str
    seen: str
    stamp: str


class Receipts:
    """The receipts of one folder.

    Args:
        folder: The mirror's; nobody else may be writing there.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._found: dict[str, Receipt] = {}
        for line in self._path.read_bytes().splitlines() if self._path.exists() else ():
            try:
                receipt = msgspec.json.decode(line, type=Receipt)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue  # cut off by a kill: its file is hashed again
            self._found[receipt.path] = receipt
        aside = folder / f"{NAME}.new"
        aside.write_bytes(b"".join(map(_line, self._found.values())))
        aside.replace(self._path)  # whole lines alone: the next is not written into a torn one

    def of(self, path: str, size: int, stamp: str) -> Receipt | None:
        """The receipt of a file that has not been touched since."""
        receipt = self._found.get(path)
        return receipt if receipt and (receipt.size, receipt.stamp) == (size, stamp) else None

    def add(self, receipt: Receipt) -> None:
        """Notes a file, unless it is noted so already."""
        if self._found.get(receipt.path) != receipt:
            with open(self._path, "ab") as log:
                log.write(_line(receipt))
            self._found[receipt.path] = receipt


def _line(receipt: Receipt) -> bytes:
    return msgspec.json.encode(receipt) + b"\n"
