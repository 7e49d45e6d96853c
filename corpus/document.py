"""A document's identity, and a batch of texts as the kernels see it: bytes and offsets.

`doc_id` names one *occurrence* (this record of this source), `text_digest` names the *content*: two exact
duplicates have two ids, two sources and perhaps two licences, and one text digest.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

DOC_ID_BYTES = 16
_DOC_ID_TAG = b"tokentrail-doc/1\0"


def document_id(source: str, key: str, raw: bytes) -> bytes:
    """The first 16 bytes of sha256(tag, source, key, raw): one occurrence of a text.

    Args:
        source: The source's name in the recipe.
        key: The record key, defined by each reader; never holds the root directory.
        raw: The raw record, as it stands in the uncompressed stream, without its terminator.
    """
    head = b"%s%s\0%s\0" % (_DOC_ID_TAG, source.encode(), key.encode())
    return hashlib.sha256(head + raw).digest()[:DOC_ID_BYTES]


def text_digest(text: bytes) -> bytes:
    """The 32-byte sha256 of a normalised UTF-8 text: the content, wherever it occurs."""
    return hashlib.sha256(text).digest()


@dataclass(frozen=True, eq=False)
class Texts:
    """UTF-8 texts packed end to end, the form every kernel takes and gives.

    Attributes:
        data: uint8[offsets[-1]], the texts' bytes.
        offsets: int64[n + 1], starting at 0; text i is data[offsets[i]:offsets[i + 1]].
    """

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]

    @classmethod
    def from_list(cls, texts: Sequence[bytes]) -> Texts:
        """Packs a list of UTF-8 byte strings."""
        offsets = np.zeros(len(texts) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)), out=offsets[1:])
        return cls(np.frombuffer(b"".join(texts), np.uint8), offsets)

    @classmethod
    def from_arrow(cls, column: pa.LargeBinaryArray) -> Texts:
        """A view of an Arrow large_binary column without nulls; copies nothing but a sliced offset array."""
        _, offsets_buffer, data_buffer = column.buffers()
        if len(column) == 0 or offsets_buffer is None:
            return cls.from_list([])
        offsets = np.frombuffer(offsets_buffer, np.int64)[column.offset : column.offset + len(column) + 1]
        data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.zeros(0, np.uint8)
        return cls(data[offsets[0] : offsets[-1]], offsets - offsets[0])

    @classmethod
    def concat(cls, batches: Sequence[Texts]) -> Texts:
        """The batches one after another."""
        starts = np.cumsum([0, *(len(batch.data) for batch in batches)])
        offsets = [batch.offsets[:-1] + start for batch, start in zip(batches, starts[:-1], strict=True)]
        end = np.array([starts[-1]], np.int64)
        data = np.concatenate([batch.data for batch in batches]) if batches else np.zeros(0, np.uint8)
        return cls(data, np.concatenate([*offsets, end]).astype(np.int64))

    def to_arrow(self) -> pa.LargeBinaryArray:
        """The same texts as an Arrow large_binary column, sharing the bytes."""
        buffers = [None, pa.py_buffer(self.offsets), pa.py_buffer(self.data)]
        return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(self), buffers)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> bytes:
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes()

    def __iter__(self) -> Iterator[bytes]:
        packed, offsets = self.data.tobytes(), self.offsets.tolist()
        return (packed[start:end] for start, end in itertools.pairwise(offsets))

    @property
    def nbytes(self) -> int:
        """Bytes of memory the batch takes."""
        return self.data.nbytes + self.offsets.nbytes

    @property
    def lengths(self) -> NDArray[np.int64]:
        """int64[n], bytes per text."""
        return np.diff(self.offsets)

    def take(self, rows: NDArray[np.int64]) -> Texts:
        """The texts of these rows, in this order, packed anew; all of them are no new ones."""
        if np.array_equal(rows, np.arange(len(self))):
            return self
        return Texts.from_arrow(self.to_arrow().take(pa.array(rows, pa.int64())))

    def cut(self, first: int, end: int) -> Texts:
        """The texts from the first up to the end, sharing the bytes."""
        start, stop = self.offsets[first], self.offsets[end]
        return Texts(self.data[start:stop], self.offsets[first : end + 1] - start)

    def join(self, starts: NDArray[np.int64], separator: bytes) -> Texts:
        """Runs of texts as one text each, a separator between: run i is from starts[i] to the next start."""
        bounds = pa.array(np.append(starts, len(self)), pa.int64())
        runs = pa.LargeListArray.from_arrays(bounds, self.to_arrow())
        return Texts.from_arrow(pc.binary_join(runs, pa.scalar(separator, pa.large_binary())))
