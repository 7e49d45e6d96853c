"""Exact and near-duplicates (design: exact first, then MinHash, every candidate verified, then one resolution).

Here are the stages that touch texts or all documents; `candidates.py` and `losers.py` have the other two.

    exact       rows of all blocks      -> by text digest -> the others of each text, with the one that stays
    signatures  those that do not go on -> by block       -> band keys of the documents that do
    candidates  band keys               -> by key         -> pairs that share a bucket
    shingles    pairs                   -> by block of b  -> pairs with the shingle set of b, the lower ranked
    evidence    pairs with b's shingles -> by block of a  -> pairs measured: those at or above the threshold, how
                                                             many there are of each Jaccard, the nearest misses
    losers      all evidence            -> one task       -> who is dropped for whom

Rank is the recipe's source order, then the smallest id: columns `source`, `doc_id`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpus import duplicates, minhash
from corpus.document import Texts
from corpus.drops import Drop
from corpus.part import read_part
from corpus.shingles import ShingleSets, count_shared, shingle_sets
from corpus.table import Columns, gather, row_count, take
from pipelines.external_sort import ExternalSort, distinct, gathered, sort_rows, starts_of
from pipelines.stage import Output
from pipelines.steps.blocks import Blocks, rows_by_block
from pipelines.steps.least import Least

RECORDS_PER_PARTITION = 250_000  # unpublished: our choice; about 20 MB of digest records
# Unpublished: our choice. What an exchange costs beside its rows is tasks times partitions; beyond a billion
# records each partition is sorted on disk.
MAX_PARTITIONS = 4096
_ADDRESS = ("block", "row")
_IDENTITY = ("doc_id", "source", "block", "row")
_PARTNER = np.dtype([("doc_id", "V16"), ("source", "<u2"), ("block", "<u4"), ("row", "<u4")])
_PAIR = ("b_block", "b_row", "a_block", "a_row")
_ROWS_AT_ONCE = 4096
_PAIRS_AT_ONCE = 1 << 17
# Unpublished: our choice; shingle sets, and pairs, held at once: the more, the more rarely a block is read again.
EVIDENCE_BYTES = 64 << 20
PAIRS_BYTES = 16 << 20
EVIDENCE_VERSION = 2  # 2: misses and counts by Jaccard beside the pairs
EVIDENCE, MISSES = "evidence.arrow", "misses.arrow"
COMPARED = "jaccard/"  # counts of pairs compared, by the floor of their Jaccard in percent: "jaccard/095"


def partitions_for(records: int) -> int:
    """Partitions of an exchange of so many small records; a function of their number alone."""
    return min(MAX_PARTITIONS, max(1, -(-records // RECORDS_PER_PARTITION)))


def partition_of(keys: NDArray[np.uint8], partitions: int) -> NDArray[np.int64]:
    """The partition of each digest, uint8[n, k]: its first 32 bits, shared out evenly."""
    high = np.ascontiguousarray(keys[:, :4]).view(">u4").ravel().astype(np.int64)
    return high * partitions >> 32


def others_of_each(tables: Iterable[Columns], key: str) -> Iterator[Columns]:
    """Of the records of one key the best ranked stays: the others, in their order, with its id as `winner`.

    Args:
        tables: Records sorted by key, then by rank: the key's column, `doc_id`, and what the answer is to hold.
        key: A column of uint8[n, k].

    Yields:
        The others of each table, be there any or not.
    """
    before, winner = b"", np.zeros((1, 16), np.uint8)  # of the last record of the table before
    for table in tables:
        first = np.zeros(row_count(table), bool)
        first[starts_of(table, [key])] = True
        first[:1] &= table[key][:1].tobytes() != before
        # Where no record is the first of its key yet, the place is -1: the winner that came with the table before.
        place = np.maximum.accumulate(np.where(first, np.arange(len(first)), -1))
        winners = np.concatenate([table["doc_id"], winner])[place]
        lost = np.flatnonzero(~first)
        yield {**take(table, lost), "winner": winners[lost]}
        if len(first):
            before, winner = table[key][-1].tobytes(), winners[-1:]


@dataclass(frozen=True)
class ExactJob:
    """What the exact stage reads: all blocks, and the parts that name the documents which lost their URL."""

    blocks: Blocks
    gone: tuple[str, ...]
    partitions: int


def exact_map(job: ExactJob, number: int, output: Output) -> None:
    """Sends (digest, rank, address) of every document to its digest's partition; once more if it is gone."""
    if number >= job.blocks.groups:
        for columns in read_part(job.gone[number - job.blocks.groups]):
            del columns["winner"]
            _send(columns, False, job.partitions, output)
        return
    for block in job.blocks.group(number):
        rows = job.blocks.read_rows(block, ["doc_id", "source", "text_digest", "drop"])
        live = np.flatnonzero(rows.pop("drop") == Drop.KEPT)
        columns = take(rows, live)
        columns["block"] = np.full(len(live), block, np.uint32)
        columns["row"] = live.astype(np.uint32)
        _send(columns, True, job.partitions, output)


def _send(columns: Columns, stays: bool, partitions: int, output: Output) -> None:
    count = row_count(columns)
    columns["stays"] = np.full(count, stays, np.uint8)
    output.emit(partition_of(columns["text_digest"], partitions), columns)
    output.tick(0, count)


def exact_reduce(job: ExactJob, partition: int, blocks: Iterator[Columns], output: Output) -> None:
    """Of each text the best ranked that is not gone stays; writes the others with its id."""
    # Of a document that is gone, the record that says so comes right before the one that came with its block.
    records = sort_rows(blocks, ("text_digest", "source", "doc_id", *_ADDRESS, "stays"))
    staying = (
        take(table, table["stays"] > 0) for table in distinct(records, ("text_digest", "doc_id", *_ADDRESS))
    )
    losers = others_of_each(staying, "text_digest")
    output.write_all("exact.arrow", ({name: table[name] for name in (*_ADDRESS, "winner")} for table in losers))


@dataclass(frozen=True)
class SignaturesJob:
    """What the signatures stage reads: all blocks, and the parts that name the documents which do not go on."""

    blocks: Blocks
    gone: tuple[str, ...]
    rule: minhash.MinHashRule


def signatures_map(job: SignaturesJob, number: int, output: Output) -> None:
    """Sends the documents that do not go on to the group of their block."""
    for columns in read_part(job.gone[number], ["block", "row"]):
        output.emit(job.blocks.group_of(columns["block"]), columns)


def signatures_reduce(job: SignaturesJob, group: int, blocks: Iterator[Columns], output: Output) -> None:
    """Writes the band keys of the group's documents that go on."""
    members = job.blocks.group(group)
    lost = rows_by_block(blocks, members)
    with output.part("bands.arrow") as part:
        for block in members:
            identity = job.blocks.read_rows(block, ["doc_id", "source"])
            dropped = np.zeros(row_count(identity), bool)
            if lost[block]:
                dropped[lost[block]["row"]] = True
            for row, texts in job.blocks.read_text(block):
                goes_on = np.flatnonzero(~dropped[row])
                chosen = texts.take(goes_on)
                records = minhash.band_records(chosen, job.rule)
                rows = row[goes_on][records.row]
                columns = {"key": records.key, **take(identity, rows)}
                columns |= {
                    f"refine{i}": np.ascontiguousarray(column) for i, column in enumerate(records.refine.T)
                }
                columns["block"] = np.full(len(rows), block, np.uint32)
                columns["row"] = rows.astype(np.uint32)
                part.write(columns)
                output.tick(int(chosen.offsets[-1]), len(chosen))
        output.parts.append(part.close())


@dataclass(frozen=True)
class VerifyJob:
    """What the two stages that verify candidates read."""

    blocks: Blocks
    parts: tuple[str, ...]
    ngram: int
    threshold_percent: int


def shingles_map(job: VerifyJob, number: int, output: Output) -> None:
    """Sends each pair to the block of its lower ranked document."""
    for columns in read_part(job.parts[number]):
        output.emit(job.blocks.group_of(columns["b_block"]), columns)


def shingles_reduce(job: VerifyJob, group: int, blocks: Iterator[Columns], output: Output) -> None:
    """Writes each b with its shingle set once per block group of its a's, and the a's in a list."""
    pairs = distinct(sort_rows(blocks, _PAIR), _PAIR)  # Several bands give the same pair.
    some = gathered(pairs, ("b_block", "b_row"), PAIRS_BYTES)
    output.write_all("shingles.arrow", _shingled(job, group, some, output))


def _shingled(job: VerifyJob, group: int, tables: Iterator[Columns], output: Output) -> Iterator[Columns]:
    """The rows of `shingles_reduce`, of pairs in the order of their b's."""
    for pairs in tables:
        output.counts["pairs_verified"] += row_count(pairs)
        for texts, members in _texts_of(job.blocks, group, pairs["b_block"], pairs["b_row"]):
            sets = shingle_sets(texts, job.ngram)
            mine = take(pairs, members)
            _, which = np.unique(mine["b_row"], return_inverse=True)
            a_group = job.blocks.group_of(mine["a_block"])
            starts = np.flatnonzero((np.diff(which, prepend=-1) != 0) | (np.diff(a_group, prepend=-1) != 0))
            partners = _partners(mine, np.append(starts, len(members)))
            for first in range(0, len(starts), _ROWS_AT_ONCE):
                rows = np.arange(first, min(first + _ROWS_AT_ONCE, len(starts)))
                columns = {f"b_{name}": mine[f"b_{name}"][starts[rows]] for name in _IDENTITY}
                columns |= {"a_group": a_group[starts[rows]], "a": partners.take(rows)}
                yield columns | {"b_shingles": _packed(sets, which[starts[rows]])}
            output.tick(int(texts.offsets[-1]), len(texts))


def _partners(pairs: Columns, bounds: NDArray[np.int64]) -> Texts:
    """The a's of each run of pairs, as packed `_PARTNER` records."""
    records = np.zeros(row_count(pairs), _PARTNER)
    records["doc_id"] = np.ascontiguousarray(pairs["a_doc_id"]).view("V16").ravel()
    for name in ("source", "block", "row"):
        records[name] = pairs[f"a_{name}"]
    return Texts(records.view(np.uint8), bounds * _PARTNER.itemsize)


def evidence_map(job: VerifyJob, number: int, output: Output) -> None:
    """Sends each b, its shingles and its a's to the block group of these."""
    for columns in read_part(job.parts[number]):
        output.emit(columns.pop("a_group"), columns)


def evidence_reduce(job: VerifyJob, group: int, blocks: Iterator[Columns], output: Output) -> None:
    """Measures every pair in integers and writes those at or above the threshold."""
    misses = Least("a_doc_id", "b_doc_id")
    with ExternalSort(("a_block", "a_row", "b_block", "b_row")) as edges:
        nothing: list[Columns] = []  # what a group is left with that has no near-duplicates among its pairs
        for table in gather(blocks, EVIDENCE_BYTES):
            for found in _measured(job, group, table, output):
                similar = duplicates.reaches(found["inter"], found["union"], job.threshold_percent)
                edges.add(take(found, np.flatnonzero(similar)))
                nothing = nothing or [take(found, np.zeros(0, np.int64))]
                _count_misses(job, found, np.flatnonzero(~similar), misses, output)
        output.write_all(EVIDENCE, itertools.chain(nothing, edges.sorted()))
    if misses.rows:
        output.write(MISSES, misses.rows)


def _count_misses(job: VerifyJob, found: Columns, below: NDArray[np.int64], misses: Least, output: Output) -> None:
    """Counts the pairs by Jaccard, and holds the nearest of those below the threshold."""
    output.counts["pairs_below"] += len(below)
    percents, counts = np.unique(100 * found["inter"].astype(np.int64) // found["union"], return_counts=True)
    for percent, count in zip(percents.tolist(), counts.tolist(), strict=True):
        output.counts[f"{COMPARED}{percent:03d}"] += count
    if len(below):
        near = take(found, below)
        misses.add(near, -millionths_above(near["inter"], near["union"], job.threshold_percent))


def millionths_above(inter: NDArray[Any], union: NDArray[Any], threshold_percent: int) -> NDArray[np.int64]:
    """int64[n], how far each Jaccard is above a threshold, in millionths: integers, so that ties are ties."""
    return inter.astype(np.int64) * 1_000_000 // union.astype(np.int64) - threshold_percent * 10_000


def _measured(job: VerifyJob, group: int, table: Columns, output: Output) -> Iterator[Columns]:
    """The pairs of some b's with their a's, and what they share, block by block of the a's."""
    partners: Texts = table["a"]
    a = partners.data.view(_PARTNER)
    owner = np.repeat(np.arange(len(partners)), partners.lengths // _PARTNER.itemsize)
    right = _unpacked(table["b_shingles"])
    for texts, asking in _texts_of(job.blocks, group, a["block"], a["row"]):
        left = shingle_sets(texts, job.ngram)
        _, which = np.unique(a["row"][asking], return_inverse=True)
        for first in range(0, len(asking), _PAIRS_AT_ONCE):
            members = asking[first : first + _PAIRS_AT_ONCE]
            left_rows = which[first : first + _PAIRS_AT_ONCE].astype(np.int64)
            inter, union = count_shared(left, left_rows, right, owner[members])
            columns: Columns = {f"a_{name}": a[name][members] for name in ("source", "block", "row")}
            columns["a_doc_id"] = np.ascontiguousarray(a["doc_id"][members]).view(np.uint8).reshape(-1, 16)
            columns |= {f"b_{name}": table[f"b_{name}"][owner[members]] for name in _IDENTITY}
            yield columns | {"inter": inter, "union": union}
        output.tick(int(texts.offsets[-1]), len(asking))


def _texts_of(
    blocks: Blocks, group: int, block: NDArray[np.uint32], row: NDArray[np.uint32]
) -> Iterator[tuple[Texts, NDArray[np.int64]]]:
    """The distinct texts that pairs ask for: (texts in row order, the pairs that ask for that block)."""
    for number in blocks.group(group):
        members = np.flatnonzero(block == number)
        if not len(members):
            continue
        wanted = np.unique(row[members])
        found: list[bytes] = []
        for rows, texts in blocks.read_text(number):
            chosen = np.flatnonzero(np.isin(rows, wanted))
            found += texts.take(chosen) if len(chosen) else ()
        yield Texts.from_list(found), members


def _packed(sets: ShingleSets, which: NDArray[np.intp]) -> Texts:
    """Shingle sets as byte strings, to travel in a table."""
    starts, ends = sets.offsets[which], sets.offsets[which + 1]
    return Texts.from_list([sets.hashes[s:e].tobytes() for s, e in zip(starts, ends, strict=True)])


def _unpacked(packed: Any) -> ShingleSets:
    hashes = np.require(packed.data.view(np.uint64), requirements="A")
    return ShingleSets(hashes, packed.offsets // 8)
