"""What Reddit's threads and Hacker News's stories share: documents of several records, which meet by exchange."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corpus.document import DOC_ID_BYTES, Texts, document_id
from corpus.readers.record import Lines
from corpus.recipe import Input, Recipe
from corpus.source import Blob
from corpus.table import Columns, concat, cut, row_count
from pipelines.external_sort import gathered, starts_of
from pipelines.stage import Output
from pipelines.steps.blocks import BATCH_TEXT_BYTES, BlockWriter
from pipelines.steps.documents import ANY_LABEL, count_documents, judged, source_numbers, unread_source


@dataclass(frozen=True)
class Dumps:
    """The dumps of one input.

    Attributes:
        data: The folder of the raw files.
        blobs: All blobs of the build.
        numbers: Which of them are the input's.
        reader: The input's, by which it is found in the recipe; there is at most one, for a document has one rule.
        partition_bytes: About how much of the files, as they lie on disk, meets in one partition.
    """

    data: str
    recipe: Recipe
    blobs: tuple[Blob, ...]
    numbers: tuple[int, ...]
    reader: str
    partition_bytes: int

    @property
    def entry(self) -> Input:
        """The recipe's input."""
        return next(entry for entry in self.recipe.input if entry.reader == self.reader)

    @property
    def partitions(self) -> int:
        """How many ways records are spread; a function of the files' sizes alone."""
        return max(1, -(-sum(self.blobs[number].size for number in self.numbers) // self.partition_bytes))

    @property
    def source(self) -> int:
        """The number of the source that its documents belong to."""
        return source_numbers(self.recipe, self.entry)[ANY_LABEL]


def spread(keys: NDArray[np.uint64], partitions: int) -> NDArray[np.int64]:
    """Spreads ids evenly, whatever runs of them a file holds (Fibonacci hashing: Knuth, TAOCP 3, 6.4)."""
    high = (keys * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
    return (high.astype(np.int64) * partitions) >> 32


def in_batches(
    tables: Iterable[Columns], by: str, sizes: Callable[[Columns], NDArray[np.int64]]
) -> Iterator[tuple[Columns, NDArray[np.int64]]]:
    """Threads or stories, a batch of them at a time: (their records, where each one begins).

    They are cut where all before them pass another `BATCH_TEXT_BYTES`, wherever the tables are: on this it depends
    where blocks end.

    Args:
        tables: Records whose groups stand together.
        by: The column that tells the groups apart.
        sizes: Bytes of each record of a table.
    """
    held: list[Columns] = []
    total = number = 0
    for table in gathered(tables, [by], BATCH_TEXT_BYTES):
        starts = starts_of(table, [by])
        ends = total + np.cumsum(np.add.reduceat(sizes(table), starts))
        total, numbers = int(ends[-1]), ends // BATCH_TEXT_BYTES
        first = starts[np.flatnonzero(np.diff(numbers, prepend=number))].tolist()
        number = int(numbers[-1])
        for start, end in itertools.pairwise([0, *first, row_count(table)]):
            if start in first and held:
                yield _batch(held, by)
                held = []
            if end > start:
                held.append(cut(table, start, end))
    if held:
        yield _batch(held, by)


def _batch(held: list[Columns], by: str) -> tuple[Columns, NDArray[np.int64]]:
    whole = concat(held)
    return whole, starts_of(whole, [by])


def count_unchosen(output: Output, name: str, label: str, records: int, size: int) -> None:
    """Counts records of an input that no document holds, and their bytes; none of them are no label."""
    if records:
        output.counts[f"unchosen/{name}/records/{label}"] += records
        output.counts[f"unchosen/{name}/bytes/{label}"] += size


def add_damaged(
    dumps: Dumps, blob_number: int, lines: Lines, damage: NDArray[np.uint8], writer: BlockWriter, output: Output
) -> None:
    """A row of the ledger for every line that could not be read."""
    broken = np.flatnonzero(damage)
    if not len(broken):
        return
    name, path = dumps.entry.name, dumps.blobs[blob_number].path
    ids = [document_id(name, f"{path}:{lines.number[row]}", lines.raw[row]) for row in broken.tolist()]
    address = {
        "doc_id": np.frombuffer(b"".join(ids), np.uint8).reshape(-1, DOC_ID_BYTES),
        "source": np.full(len(broken), unread_source(dumps.recipe, dumps.entry), np.uint16),
        "blob": np.full(len(broken), blob_number, np.uint32),
        "record": lines.number[broken],
        "offset": lines.offset[broken],
        "raw_bytes": lines.raw_bytes[broken],
    }
    nothing = Texts.from_list([b""] * len(broken))
    writer.add(*judged(dumps.recipe, address, nothing, damage[broken], np.zeros(len(broken), np.int32)))
    count_documents(output, name, len(broken), int(lines.raw_bytes[broken].sum()))


def raw_digests(raw: Texts) -> NDArray[np.uint8]:
    """uint8[n, 32], the sha256 of every record: what the id of their document is made of."""
    return np.frombuffer(b"".join(hashlib.sha256(one).digest() for one in raw), np.uint8).reshape(-1, 32)


def assemble(
    dumps: Dumps, records: Columns, starts: NDArray[np.intp], keys: Sequence[str], texts: Texts,
    damage: NDArray[np.uint8],
) -> tuple[Columns, NDArray[np.int64], Texts, Columns]:  # fmt: skip
    """Documents of consecutive records, judged: ledger rows, the rows that stay, their texts, and their records.

    Args:
        dumps: What they are from.
        records: Of every record `kind`, `id`, `blob`, `record`, `offset`, `raw_bytes`, `repairs`, `raw_digest`.
        starts: Where each document's records begin; the first is 0.
        keys: What names each document within its source.
        texts: The documents' texts.
        damage: uint8[documents], a `Drop` below 20, or 0.
    """
    ends = np.append(starts[1:], len(records["record"]))
    source = dumps.recipe.source[dumps.source].name
    ids = [
        document_id(source, key, records["raw_digest"][start:end].tobytes())
        for key, start, end in zip(keys, starts.tolist(), ends.tolist(), strict=True)
    ]
    address = {
        "doc_id": np.frombuffer(b"".join(ids), np.uint8).reshape(-1, DOC_ID_BYTES),
        "source": np.full(len(starts), dumps.source, np.uint16),
        "blob": records["blob"][starts].astype(np.uint32),
        "record": records["record"][starts],
        "offset": records["offset"][starts],
        "raw_bytes": np.add.reduceat(records["raw_bytes"], starts),
    }
    repairs = np.add.reduceat(records["repairs"], starts).astype(np.int32)
    rows, kept, kept_texts = judged(dumps.recipe, address, texts, damage, repairs)
    parts: Columns = {
        "row": np.repeat(np.arange(len(starts), dtype=np.int32), ends - starts),
        "kind": records["kind"],
        "id": records["id"],
        "blob": records["blob"].astype(np.uint32),
        "record": records["record"],
        "offset": records["offset"],
        "raw_bytes": records["raw_bytes"],
    }
    return rows, kept, kept_texts, parts
