"""A shard: `<stem>.bin`, the ids of whole documents end to end, and `<stem>.idx`, where each one starts.

Both are Megatron's, so megatron-core's IndexedDataset opens a shard unchanged. All numbers are little-endian:

    .bin   uint16[tokens]                   ids
    .idx   bytes[9]                         b"MMIDIDX\\0\\0"
           uint64                           version, 1
           uint8                            the type of an id, 8 for uint16
           uint64                           sequences, n: every document is one sequence
           uint64                           entries of the document index, n + 1
           int32[n]                         tokens of each document
           int64[n]                         where each document starts in .bin, bytes
           int64[n + 1]                     the sequence each document starts with: 0, 1, ... n

Source: NVIDIA Megatron-LM, megatron/core/datasets/indexed_dataset.py, `_IndexWriter`.
"""

from __future__ import annotations

import bisect
import hashlib
import mmap
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from corpus.errors import IntegrityError, StoreError
from corpus.storage import NewFile, is_local, local_path, open_input
from corpus.tokenizer import Tokens

_HEADER: Final = struct.Struct("<9sQBQQ")
_MAGIC: Final = b"MMIDIDX\0\0"
_VERSION: Final = 1
_UINT16: Final = 8
_FIELDS: Final = (("magic", 0), ("version", 9), ("type of an id", 17), ("sequences", 18), ("documents", 26))

_ID_BYTES: Final = 2
_LENGTH_LIMIT: Final = 2**31 - 1
_READ_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class ShardFacts:
    """What a manifest says of a shard.

    Attributes:
        documents: Documents in it.
        tokens: Ids in it.
        bin_bytes: Size of the .bin file.
        bin_sha256: Digest of the .bin file, hex.
        idx_bytes: Size of the .idx file.
        idx_sha256: Digest of the .idx file, hex.
    """

    documents: int
    tokens: int
    bin_bytes: int
    bin_sha256: str
    idx_bytes: int
    idx_sha256: str


def write_shard(stem: str, batches: Iterable[Tokens]) -> ShardFacts:
    """Writes documents, in the order given, as a shard that appears whole or not at all.

    Memory holds one batch and four bytes a document. The .bin file is published before the .idx file.

    Args:
        stem: Path or URL of the shard without its suffix.
        batches: The documents.

    Raises:
        StoreError: The store cannot be written, or a document has more than 2**31 - 1 tokens.
    """
    lengths = [np.zeros(0, "<i4")]
    bin_file = NewFile(f"{stem}.bin")
    try:
        for batch in batches:
            if len(batch) and batch.lengths.max() > _LENGTH_LIMIT:
                raise StoreError(
                    "a document has more tokens than an index can hold (2,147,483,647)",
                    where=stem,
                    remedy="set a limit on the bytes of a text in the recipe",
                )
            lengths.append(batch.lengths.astype("<i4"))
            bin_file.write(np.ascontiguousarray(batch.ids, "<u2").data)
        bin_file.publish()
    finally:
        bin_file.discard()
    lengths_of_all = np.concatenate(lengths)
    idx_file = NewFile(f"{stem}.idx")
    try:
        for piece in _index(lengths_of_all):
            idx_file.write(np.ascontiguousarray(piece).data)
        idx_file.publish()
    finally:
        idx_file.discard()
    return ShardFacts(
        documents=len(lengths_of_all),
        tokens=bin_file.size // _ID_BYTES,
        bin_bytes=bin_file.size,
        bin_sha256=bin_file.hexdigest(),
        idx_bytes=idx_file.size,
        idx_sha256=idx_file.hexdigest(),
    )


def _index(lengths: NDArray[np.int32]) -> Iterator[NDArray[Any]]:
    count = len(lengths)
    header = _HEADER.pack(_MAGIC, _VERSION, _UINT16, count, count + 1)
    yield np.frombuffer(header, np.uint8)
    yield lengths
    ends = np.cumsum(lengths, dtype=np.int64) * _ID_BYTES
    yield (ends - lengths.astype(np.int64) * _ID_BYTES).astype("<i8")
    yield np.arange(count + 1, dtype="<i8")


@dataclass(frozen=True, eq=False)
class Shard:
    """A shard, mapped into memory and read only where it is asked for; out of an object store it is held whole.

    Attributes:
        tokens: uint16[tokens], all ids, read-only.
        starts: int64[n + 1], the token each document starts at, and the end of the last.
    """

    tokens: NDArray[np.uint16]
    starts: NDArray[np.int64]

    @classmethod
    def open(cls, stem: str) -> Shard:
        """Maps `<stem>.bin` and checks every number of `<stem>.idx`.

        Raises:
            IntegrityError: A file is missing, or a number in the index does not hold; says at which byte.
            SourceError: An object store does not give it.
        """
        return cls._of(stem, _map(f"{stem}.idx"), _map(f"{stem}.bin"))

    @classmethod
    def _of(cls, stem: str, idx: NDArray[np.uint8], ids: NDArray[np.uint8]) -> Shard:
        starts = _read_index(idx, f"{stem}.idx")
        if len(ids) != starts[-1] * _ID_BYTES:
            raise _broken(
                f"{stem}.bin", len(ids), f"the file has {len(ids):,} bytes, not {starts[-1] * _ID_BYTES:,}"
            )
        return cls(ids.view("<u2"), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def document(self, row: int) -> NDArray[np.uint16]:
        """The ids of a document, its end-of-document id included: a view, not a copy.

        Raises:
            IndexError: There is no such document.
        """
        if not 0 <= row < len(self):
            raise IndexError(f"document {row} of {len(self)}")
        return self.tokens[self.starts[row] : self.starts[row + 1]]

    def find(self, token: int) -> int:
        """The document that holds the token at this position of the shard.

        Raises:
            IndexError: The shard has no such token.
        """
        if not 0 <= token < len(self.tokens):
            raise IndexError(f"token {token} of {len(self.tokens)}")
        return int(np.searchsorted(self.starts, token, side="right")) - 1


def verify_shard(stem: str, facts: ShardFacts) -> Shard:
    """Reads a shard to its last byte, once, and holds it to what the manifest says of it.

    Raises:
        IntegrityError: A byte, a count or a number of the index is not what it was.
        SourceError: An object store does not give it.
    """
    files = []
    for suffix, expected in ((".idx", facts.idx_sha256), (".bin", facts.bin_sha256)):
        mapped = _map(stem + suffix)
        digest = hashlib.sha256()
        for start in range(0, len(mapped), _READ_BYTES):
            digest.update(mapped[start : start + _READ_BYTES].data)
        if digest.hexdigest() != expected:
            raise _broken(stem + suffix, None, f"its sha256 is {digest.hexdigest()}, not {expected}")
        files.append(mapped)
    shard = Shard._of(stem, *files)
    found = (len(shard), len(shard.tokens), shard.tokens.nbytes)
    if found != (facts.documents, facts.tokens, facts.bin_bytes):
        raise _broken(
            stem, None, f"it holds {found[0]:,} documents and {found[1]:,} tokens, not what its facts say"
        )
    return shard


def read_starts(stem: str) -> NDArray[np.int64]:
    """int64[n + 1], the token each document starts at, and the end of the last: from the index alone.

    Raises:
        IntegrityError: The file is missing, or a number in it does not hold; says at which byte.
        SourceError: An object store does not give it.
    """
    return _read_index(_map(f"{stem}.idx"), f"{stem}.idx")


def find_document(stem: str, token: int) -> tuple[int, int, int]:
    """The document that holds a token: (its number, its first token, how many it has), by a search of the index.

    Of the index no more is read than the search touches; what is read is not checked against the rest.

    Raises:
        IntegrityError: The file is missing, is no index, or has no document there.
        SourceError: An object store does not give it.
    """
    path = f"{stem}.idx"
    idx = _map(path)
    count = _count(idx, path)
    pointers = idx[_HEADER.size + 4 * count : _HEADER.size + 12 * count].view("<i8")
    number = bisect.bisect_right(pointers, token * _ID_BYTES) - 1  # numpy's search would copy what is not aligned
    first = int(pointers[number]) // _ID_BYTES if number >= 0 else 0
    tokens = int(idx[_HEADER.size : _HEADER.size + 4 * count].view("<i4")[number]) if number >= 0 else 0
    if not first <= token < first + tokens:
        raise _broken(path, None, f"no document of the index holds token {token:,}")
    return number, first, tokens


def read_tokens(stem: str, first: int, end: int) -> NDArray[np.uint16]:
    """uint16[end - first], the ids from one position to another, and no more of the shard than that.

    Raises:
        IntegrityError: The shard ends before.
        SourceError: It is missing, or an object store does not give it.
    """
    with open_input(f"{stem}.bin") as file:
        file.seek(first * _ID_BYTES)
        ids = np.frombuffer(file.read((end - first) * _ID_BYTES), np.uint8)
    if len(ids) != (end - first) * _ID_BYTES:
        raise _broken(f"{stem}.bin", first * _ID_BYTES + len(ids), f"the file ends before token {end - 1:,}")
    return ids.view("<u2")


def _map(path: str) -> NDArray[np.uint8]:
    if not is_local(path):
        with open_input(path) as file:
            return np.frombuffer(file.read(), np.uint8)
    try:
        with open(local_path(path), "rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                return np.zeros(0, np.uint8)
            return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
    except OSError as error:
        raise _broken(path, None, f"it cannot be opened: {error.strerror or error}") from error


def _read_index(idx: NDArray[np.uint8], path: str) -> NDArray[np.int64]:
    """int64[n + 1], the token each document starts at, once every number in the index is seen to hold."""
    count = _count(idx, path)
    at_pointers, at_documents = _HEADER.size + 4 * count, _HEADER.size + 12 * count
    lengths = idx[_HEADER.size : at_pointers].view("<i4")
    pointers = idx[at_pointers:at_documents].view("<i8")
    documents = idx[at_documents:].view("<i8")
    _hold(path, _HEADER.size, 4, "the length of document {row} is negative", lengths >= 0)
    starts = np.zeros(count + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    _hold(path, at_pointers, 8, "document {row} does not start where the last ended", pointers == 2 * starts[:-1])
    _hold(path, at_documents, 8, "entry {row} of the document index is wrong", documents == np.arange(count + 1))
    return starts


def _count(idx: NDArray[np.uint8], path: str) -> int:
    """How many documents an index has, once its header and its size are seen to hold."""
    if len(idx) < _HEADER.size:
        raise _broken(path, len(idx), f"the file ends inside its header of {_HEADER.size} bytes")
    found = _HEADER.unpack(idx[: _HEADER.size].tobytes())
    count = cast(int, found[3])
    for (field, offset), value, right in zip(
        _FIELDS, found, (_MAGIC, _VERSION, _UINT16, count, count + 1), strict=True
    ):
        if value != right:
            raise _broken(path, offset, f"the {field} is {value!r}, not {right!r}")
    size = _HEADER.size + 4 * count + 8 * count + 8 * (count + 1)
    if len(idx) != size:
        raise _broken(path, min(len(idx), size), f"the file has {len(idx):,} bytes, not {size:,}")
    return count


def _hold(path: str, offset: int, width: int, what: str, holds: NDArray[np.bool_]) -> None:
    if not holds.all():
        row = int(np.argmin(holds))
        raise _broken(path, offset + row * width, what.format(row=row))


def _broken(path: str, byte: int | None, what: str) -> IntegrityError:
    where = path if byte is None else f"{path}, byte {byte:,}"
    return IntegrityError(f"the shard is damaged: {what}", where=where, remedy="fetch or build this shard again")
