r"""A tar file of data files, as OpenWebText2 comes (openwebtext2.jsonl.zst.tar): their contents as one stream.

There is no stream of records in a tar of compressed files, so one is defined: the contents of the regular files,
each decompressed by its name, end to end in the tar's order, with a b"\n" after one that lacks its last. Nothing
is written to disk; a name that would lie outside the folder it is unpacked in is refused all the same.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO

from corpus.errors import DamagedContainerError, SourceError
from corpus.readers.container import Hasher, decompress

VERSION = 1

_READ_BYTES = 2**16  # unpublished: our choice

_REMEDY = 'fetch it again, or set on_damage = "keep-what-was-read" to go on with what came before'


def untar(file: IO[bytes], name: str, hasher: Hasher | None = None) -> Iterator[bytes]:
    """The contents of the members, in chunks, in bounded memory.

    Args:
        file: Open at its start; read once, forwards. What follows the archive's end is not read.
        name: Names the file in errors.
        hasher: Is given every raw byte read, once.

    Raises:
        DamagedContainerError: The tar or a member is truncated or corrupt, a member is not what its name says, or
            its name leaves the folder.
    """
    watched = _Watched(file, hasher)
    try:
        with tarfile.open(fileobj=watched, mode="r|", bufsize=_READ_BYTES) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if content is not None:
                    _check_name(member.name, name)
                    yield from _lines_ended(_content(content, f"{name}: {member.name}"))
            # tarfile takes a cut between two members, and a header it cannot read, for the end.
            if watched.block(archive.offset) != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError("it has no end, or a header is damaged")
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise DamagedContainerError(f"the tar file does not read ({error})", where=name, remedy=_REMEDY) from error


class _Watched(io.RawIOBase):
    """A file whose bytes are hashed as they are read, and the last of them kept."""

    def __init__(self, file: IO[bytes], hasher: Hasher | None) -> None:
        super().__init__()
        self._file, self._hasher = file, hasher
        self._tail = b""
        self._taken = 0

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes."""
        data = self._file.read(size)
        if self._hasher is not None:
            self._hasher.update(data)
        self._taken += len(data)
        self._tail = (self._tail + data)[-2 * _READ_BYTES :]
        return data

    def block(self, offset: int) -> bytes:
        """The block of the tar at this offset, which must be among the last bytes read."""
        start = offset - (self._taken - len(self._tail))
        return self._tail[start : start + tarfile.BLOCKSIZE] if start >= 0 else b""


def _check_name(member: str, name: str) -> None:
    path = PurePosixPath(member)
    if path.is_absolute() or ".." in path.parts:
        raise DamagedContainerError(
            "a member of the tar file lies outside its folder", where=f"{name}: {member}", remedy=_REMEDY
        )


def _content(member: IO[bytes], name: str) -> Iterator[bytes]:
    try:
        return decompress(member, name)
    except DamagedContainerError:
        raise
    except SourceError as error:  # of a file by itself; one in a tar cannot be renamed
        raise DamagedContainerError(f"in the tar file, {error.what}", where=name, remedy=_REMEDY) from error


def _lines_ended(chunks: Iterator[bytes]) -> Iterator[bytes]:
    last = b"\n"
    for chunk in chunks:
        last = chunk[-1:] or last
        yield chunk
    if last != b"\n":
        yield b"\n"
