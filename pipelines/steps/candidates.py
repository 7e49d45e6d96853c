"""Which documents are compared: those that share a band of their signatures, found in memory that stays bounded.

    candidates  band keys -> by key -> pairs that share a bucket

A bucket may hold every document there is: none is held whole, and neither is a partition. Its records are sorted
by document, to number the documents by rank; then by bucket and number, where pairs are made; those of large
buckets once more by each refine key; and at last the pairs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.typing import NDArray

from corpus import duplicates
from corpus.part import read_part
from corpus.table import Columns, concat, cut, row_count, take
from pipelines.external_sort import ExternalSort, append, distinct, scratch, sort_rows, starts_of
from pipelines.stage import Output

_RANK = ("source", "doc_id")
_IDENTITY = np.dtype([("doc_id", "V16"), ("source", "<u2"), ("block", "<u4"), ("row", "<u4")])
_RECORDS_AT_ONCE = 1 << 15  # unpublished: our choice; of which at most two million pairs are made
_PAIRS_AT_ONCE = 1 << 17  # unpublished: our choice; 7 MB of a part's rows


@dataclass(frozen=True)
class CandidatesJob:
    """What the candidates stage reads."""

    bands: tuple[str, ...]
    partitions: int


def candidates_map(job: CandidatesJob, number: int, output: Output) -> None:
    """Sends each band record to the partition of its key."""
    for columns in read_part(job.bands[number]):
        high = (columns["key"] >> np.uint64(32)).astype(np.int64)
        output.emit(high * job.partitions >> 32, columns)
        output.tick(0, row_count(columns))


def candidates_reduce(job: CandidatesJob, partition: int, blocks: Iterator[Columns], output: Output) -> None:
    """Writes the pairs that share a bucket: a is the better ranked, b the other."""
    with scratch() as file:
        records = _numbered(sort_rows(blocks, _RANK), file)

        def count_large(rows: int) -> None:
            output.counts["in_large_buckets"] += rows

        found = candidate_pairs(records, count_large)
        output.write_all("pairs.arrow", _identified(found, file, output))


def _numbered(records: Iterator[Columns], file: IO[bytes]) -> Iterator[Columns]:
    """Records with their documents' numbers by rank, and nothing else of the documents, which go to the file."""
    count, before = 0, b""
    for table in records:
        fresh = np.zeros(row_count(table), bool)
        fresh[starts_of(table, _RANK)] = True
        identity = _packed(table)
        fresh[0] &= identity[0].tobytes() != before
        before = identity[-1].tobytes()
        append(file, identity[fresh].tobytes())
        node = count + np.cumsum(fresh) - 1
        count = int(node[-1]) + 1
        refine = {name: column for name, column in table.items() if name.startswith("refine")}
        yield {"key": table["key"], "node": node.astype(np.uint64), **refine}


def _packed(table: Columns) -> NDArray[np.void]:
    """The documents of records, each in one value."""
    found = np.zeros(row_count(table), _IDENTITY)
    found["doc_id"] = np.ascontiguousarray(table["doc_id"]).view("V16").ravel()
    for name in ("source", "block", "row"):
        found[name] = table[name]
    return found


def _identified(pairs: Iterator[NDArray[np.uint64]], file: IO[bytes], output: Output) -> Iterator[Columns]:
    """Pairs of numbers as pairs of documents; one table without rows where there are records and no pair."""
    head = next(pairs, np.zeros(0, np.uint64))  # now every record is numbered
    if not file.tell():
        return
    documents = np.memmap(file, _IDENTITY, "r")
    for packed in itertools.chain([head], pairs):
        output.counts["pairs"] += len(packed)
        for first in range(0, max(1, len(packed)), _PAIRS_AT_ONCE):
            better, worse = duplicates.unpack(packed[first : first + _PAIRS_AT_ONCE])
            yield _columns("a", documents[better]) | _columns("b", documents[worse])


def _columns(side: str, documents: NDArray[np.void]) -> Columns:
    """The columns of one side of pairs."""
    ids = np.ascontiguousarray(documents["doc_id"]).view(np.uint8).reshape(-1, 16)
    numbers = {f"{side}_{name}": documents[name] for name in ("source", "block", "row")}
    return {f"{side}_doc_id": ids, **{name: np.ascontiguousarray(column) for name, column in numbers.items()}}


def candidate_pairs(
    records: Iterable[Columns], count_large: Callable[[int], None]
) -> Iterator[NDArray[np.uint64]]:
    """The pairs to compare, packed, distinct and ascending by (better, worse); what they are: corpus.duplicates.

    Neither the order of the records nor one that comes twice changes the answer.

    Args:
        records: `key` uint64, `node` uint64 (the document's rank, below 2**32), and refine keys `refine0`, ...
            uint32. A key's records must all be here.
        count_large: Told of records that lie in buckets too large for all their pairs.
    """
    with ExitStack() as stack:
        pairs = stack.enter_context(ExternalSort(["pair"]))
        divided: dict[str, ExternalSort] = {}
        buckets = distinct(sort_rows(records, ("key", "node")), ("key", "node"))
        for packed, large in _pair_up(buckets, ("key",)):
            pairs.add({"pair": packed})
            count_large(row_count(large))
            for name in [name for name in large if name.startswith("refine")]:
                if name not in divided:
                    divided[name] = stack.enter_context(ExternalSort(("key", name, "node")))
                divided[name].add({column: large[column] for column in ("key", name, "node")})
        for name, smaller in divided.items():
            for packed, _ in _pair_up(smaller.sorted(), ("key", name)):
                pairs.add({"pair": packed})
        for table in distinct(pairs.sorted(), ["pair"]):
            yield table["pair"]


def _pair_up(tables: Iterable[Columns], by: tuple[str, ...]) -> Iterator[tuple[NDArray[np.uint64], Columns]]:
    """Pairs the members of buckets, whose records come sorted by bucket and rank.

    Of a bucket that is not at its end no more is kept than tells how it goes on: all its records while they may be
    all there are, its leaders once it is large.

    Yields:
        Packed pairs, some of them twice, and the records of large buckets, each once.
    """
    kept: Columns = {}
    led = False  # whether what is kept are the leaders of a large bucket, seen before
    for table in itertools.chain.from_iterable(map(_cut, tables)):
        whole = concat([kept, table]) if kept else table
        starts = np.append(starts_of(whole, by), row_count(whole))
        sizes = np.diff(starts)
        large = sizes > duplicates.EXHAUSTIVE
        large[0] |= led
        fresh = np.repeat(large, sizes)
        fresh[: duplicates.LEADERS] &= not led
        done = len(sizes) if large[-1] else len(sizes) - 1
        yield duplicates.pair_up(whole["node"], starts[: done + 1], large[:done]), take(whole, fresh)
        led = bool(large[-1])
        end = starts[-2] + duplicates.LEADERS if led else starts[-1]
        kept = cut(whole, int(starts[-2]), int(end))
    if kept and not led:
        bounds = np.array([0, row_count(kept)])
        yield duplicates.pair_up(kept["node"], bounds, np.zeros(1, bool)), take(kept, np.zeros(0, np.int64))


def _cut(table: Columns) -> Iterator[Columns]:
    """A table in pieces of which not too many pairs are made at once."""
    rows = row_count(table)
    return (cut(table, at, min(at + _RECORDS_AT_ONCE, rows)) for at in range(0, rows, _RECORDS_AT_ONCE))
