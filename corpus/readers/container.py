"""The containers raw data comes in (.zst, .gz, .bz2, .xz, or none): from the bytes on disk to the bytes inside.

Truncation is never silent here, though most libraries pass over it: every frame, member or stream must reach its
end, and nothing but another one may follow. A file may hold any number of them.

What survives damage: of zstd, every whole block before the damaged one. gzip, bzip2 and xz give nothing from the
call that fails, so that up to 64 KiB of content just before corrupt bytes is lost. Nothing before a cut is.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import IO, Protocol

import zstandard

from corpus.errors import DamagedContainerError, SourceError

CHUNK_BYTES = 2**20
"""About what one chunk of content holds. Unpublished: our choice; 4 MiB is a fifth slower, in page faults."""

MAX_WINDOW_BYTES = 2**31
"""The largest zstd window, and xz memory, accepted: 2 GiB, for Pushshift's dumps are written with `--long=31`."""

# Small, for what a stream leaves of its input is copied, and a file may hold a stream a record. Our choice.
_READ_BYTES = 2**16

# The most one call to gzip, bzip2 or xz may give, so that a bomb streams. Our choice.
_PIECE_BYTES = 2**16


class Hasher(Protocol):
    """What is needed of a hashlib object."""

    def update(self, data: bytes, /) -> None:
        """Takes the next bytes."""


def decompress(file: IO[bytes], name: str, hasher: Hasher | None = None) -> Iterator[bytes]:
    """The content of a file, in chunks of about 1 MiB, in bounded memory whatever the ratio.

    What the codec gave before the damage is given before the error is raised (how much, the module says).

    Args:
        file: Open at its start. It is at its end when the iterator is.
        name: Names the file in errors; its suffix says which container it is, any other suffix that there is none.
        hasher: Is given every raw byte read, once. What an error leaves unread, `hash_rest` gives it.

    Raises:
        DamagedContainerError: The container is truncated, corrupt, or followed by something else.
        SourceError: The file is not what its name says (raised by the call itself).
    """
    raw = _Raw(file, name, hasher)
    head = raw.look_ahead(_LONGEST_MAGIC)
    container = _CONTAINERS.get(PurePosixPath(name).suffix.lower())
    if container is None:
        for suffix, other in _CONTAINERS.items():
            if head.startswith(other.magics):
                raise _misnamed(name, f"is {other.name}, but its name does not end in {suffix}")
        return _plain(raw)
    if head.startswith(container.magics):
        return _gathered(raw, container.open(raw))
    if any(magic.startswith(head) for magic in container.magics):
        raise raw.damage("ends before its content does")
    raise _misnamed(name, f"does not begin as {container.name} does, though its name says it is")


def hash_rest(file: IO[bytes], hasher: Hasher) -> None:
    """Gives the hasher what is left of a file: after damage, or all of it where nothing was read."""
    while data := file.read(CHUNK_BYTES):
        hasher.update(data)


def _misnamed(name: str, what: str) -> SourceError:
    return SourceError(f"the file {what}", where=name, remedy="rename it to what it is, or fetch it again")


class _Raw:
    """The bytes as they lie on disk, each hashed once; counts those taken and the content they gave."""

    def __init__(self, file: IO[bytes], name: str, hasher: Hasher | None) -> None:
        self._file, self._name, self._hasher = file, name, hasher
        self._ahead = b""
        self.taken = 0
        self.delivered = 0

    def look_ahead(self, size: int) -> bytes:
        """The first bytes, without taking them."""
        self._ahead = self.take(size)
        self.taken = 0
        return self._ahead

    def take(self, size: int) -> bytes:
        """The next bytes: as many as asked for, fewer only where the file ends."""
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        while len(data) < size and (more := self._file.read(size - len(data))):
            if self._hasher is not None:
                self._hasher.update(more)
            data += more
        self.taken += len(data)
        return data

    def exactly(self, size: int) -> bytes:
        """The next bytes, all of which must be there."""
        data = self.take(size)
        if len(data) < size:
            raise self.damage("ends before its content does")
        return data

    def damage(self, what: str) -> DamagedContainerError:
        """The error that says how far the reading got."""
        return DamagedContainerError(
            f"the file {what}",
            where=f"{self._name}, {self.taken} bytes into the file, {self.delivered} bytes into its content",
            remedy='fetch it again, or set on_damage = "keep-what-was-read" to go on with what came before',
        )


def _gathered(raw: _Raw, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Small pieces as chunks; the last chunk before damage may be short."""
    held: list[bytes] = []
    room = CHUNK_BYTES
    try:
        for piece in pieces:
            held.append(piece)
            raw.delivered += len(piece)
            room -= len(piece)
            if room <= 0:
                yield b"".join(held)
                held, room = [], CHUNK_BYTES
    except DamagedContainerError:
        if room < CHUNK_BYTES:
            yield b"".join(held)
        raise
    if room < CHUNK_BYTES:
        yield b"".join(held)


def _plain(raw: _Raw) -> Iterator[bytes]:
    while data := raw.take(CHUNK_BYTES):
        yield data


_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE_MAGICS = tuple(bytes([low]) + b"\x2a\x4d\x18" for low in range(0x50, 0x60))
_ZSTD_SHORTEST_HEADER = 6
_RUN_LENGTH_BLOCK = 1


def _zstd(raw: _Raw) -> Iterator[bytes]:
    """Frame after frame. Source: RFC 8878, section 3.1."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW_BYTES)
    while magic := raw.take(len(_ZSTD_MAGIC)):
        if magic in _SKIPPABLE_MAGICS:
            left = int.from_bytes(raw.exactly(4), "little")
            while left:
                left -= len(raw.exactly(min(left, _READ_BYTES)))
        elif magic == _ZSTD_MAGIC:
            try:
                yield from _zstd_blocks(raw, decompressor.decompressobj())
            except zstandard.ZstdError as error:
                raise raw.damage(f"does not decode ({error})") from error
        else:
            raise raw.damage("goes on after a frame with something that is no frame")


def _zstd_blocks(raw: _Raw, frame: zstandard.ZstdDecompressionObj) -> Iterator[bytes]:
    """One frame, fed block by block.

    A block gives 128 KiB at most, so that a bomb streams; and the frame's own structure says where it ends, which
    the library passes over when the input is cut. Source: RFC 8878, section 3.1.1.1 (header) and 3.1.1.2 (blocks).
    """
    header = _ZSTD_MAGIC + raw.exactly(_ZSTD_SHORTEST_HEADER - len(_ZSTD_MAGIC))
    header += raw.exactly(zstandard.frame_header_size(header) - len(header))
    frame.decompress(header)
    last = False
    while not last:
        block_header = raw.exactly(3)
        bits = int.from_bytes(block_header, "little")
        last, kind, size = bool(bits & 1), bits >> 1 & 3, bits >> 3
        yield frame.decompress(block_header + raw.exactly(1 if kind == _RUN_LENGTH_BLOCK else size))
    if zstandard.get_frame_parameters(header).has_checksum:
        frame.decompress(raw.exactly(4))
    if not frame.eof:
        raise raw.damage("does not decode (its last frame does not end)")


class _Stream(Protocol):
    """One compressed stream of possibly several, in the shape of the standard library's bz2 and lzma."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _GzipMember:
    """zlib's decompressor in that shape."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)  # 16: gzip's header and trailer, checked
        self._full = False

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        # After a full piece zlib may hold more, though it has taken all its input.
        return not self._full and not self._inflate.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        piece = self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)
        self._full = len(piece) == max_length
        return piece


def _streams(raw: _Raw, start: Callable[[], _Stream], padding: int) -> Iterator[bytes]:
    """Stream after stream, each of which may be followed by a multiple of `padding` zero bytes (0: by none)."""
    data = raw.take(_READ_BYTES)
    while data:
        stream = start()
        while not stream.eof:
            if not data and stream.needs_input:
                data = raw.exactly(1) + raw.take(_READ_BYTES - 1)
            try:
                piece = stream.decompress(data, _PIECE_BYTES)
            except (zlib.error, lzma.LZMAError, OSError) as error:
                raise raw.damage(f"does not decode ({error})") from error
            data = b""
            yield piece
        data = stream.unused_data or raw.take(_READ_BYTES)
        zeros = 0
        while padding and data.startswith(b"\0"):
            rest = data.lstrip(b"\0")
            zeros += len(data) - len(rest)
            data = rest or raw.take(_READ_BYTES)
        if padding and zeros % padding:
            raise raw.damage(f"is padded with {zeros} zero bytes, not with a multiple of {padding}")


@dataclass(frozen=True)
class _Container:
    """A format: the bytes it may begin with, and its content piece by piece."""

    name: str
    magics: tuple[bytes, ...]
    open: Callable[[_Raw], Iterator[bytes]]


# After "BZh" and the block size comes the first block, or the end where there is none.
_BZIP2_MAGICS = tuple(b"BZh%d%s" % (size, rest) for size in range(1, 10) for rest in (b"1AY&SY", b"\x17rE8P\x90"))

_CONTAINERS = {
    ".zst": _Container("Zstandard", (_ZSTD_MAGIC, *_SKIPPABLE_MAGICS), _zstd),
    ".gz": _Container("gzip", (b"\x1f\x8b\x08",), partial(_streams, start=_GzipMember, padding=1)),
    ".bz2": _Container("bzip2", _BZIP2_MAGICS, partial(_streams, start=bz2.BZ2Decompressor, padding=0)),
    ".xz": _Container(
        "xz",
        (b"\xfd7zXZ\x00",),
        partial(_streams, start=partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, MAX_WINDOW_BYTES), padding=4),
    ),
}
_LONGEST_MAGIC = max(len(magic) for container in _CONTAINERS.values() for magic in container.magics)
