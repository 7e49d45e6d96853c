"""Exact and near-duplicates (design: exact first, then MinHash, every candidate verified, then one resolution).

    exact       rows of all blocks      -> by text digest -> the others of each text, with the one that stays
    signatures  those that do not go on -> by block       -> band keys of the documents that do
    candidates  band keys               -> by key         -> pairs that share a bucket
    shingles    pairs                   -> by block of b  -> pairs with the shingle set of b, the lower ranked
    evidence    pairs with b's shingles -> by block of a  -> pairs measured, those at or above the threshold
    losers      all evidence            -> one task       -> who is dropped for whom

Rank is the recipe's source order, then the smallest id: columns `source`, `doc_id`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from corpus import duplicates, minhash
from corpus.document import Texts
from corpus.drops import Drop
from corpus.part import read_part
from corpus.shingles import ShingleSets, count_shared, shingle_sets
from corpus.table import Columns, concat, fixed_key, gather, row_count, take
from pipelines.stage import Output
from pipelines.steps.blocks import Blocks, rows_by_block

RECORDS_PER_PARTITION = 250_000  # unpublished: our choice; about 20 MB of digest records
_IDENTITY = ("doc_id", "source", "block", "row")
_PARTNER = np.dtype([("doc_id", "V16"), ("source", "<u2"), ("block", "<u4"), ("row", "<u4")])
_ROWS_AT_ONCE = 4096
EVIDENCE_BYTES = 256 << 20  # unpublished: our choice; shingle sets held at once, so that a block is read rarely


def partitions_for(records: int) -> int:
    """Partitions of an exchange of so many small records; a function of their number alone."""
    return max(1, -(-records // RECORDS_PER_PARTITION))


def partition_of(keys: NDArray[np.uint8], partitions: int) -> NDArray[np.int64]:
    """The partition of each digest, uint8[n, k]: its first 32 bits, shared out evenly."""
    high = np.ascontiguousarray(keys[:, :4]).view(">u4").ravel().astype(np.int64)
    return high * partitions >> 32


def others_of_each(keys: NDArray[np.uint8], records: Columns, rank: Sequence[NDArray[np.int64]] = ()) -> Columns:
    """Of the records of one key the best ranked stays: the others, in the order of keys, with its id as `winner`.

    Args:
        keys: uint8[n, k], each record's.
        records: n documents: `doc_id`, `source` and what the answer is to hold of each.
        rank: What ranks before source and id, the least significant first.
    """
    order = np.lexsort([*fixed_key(records["doc_id"]), records["source"], *rank, *fixed_key(keys)])
    keys = keys[order]
    first = np.ones(len(order), bool)
    first[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    winner = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    lost = np.flatnonzero(~first)
    return {**take(records, order[lost]), "winner": records["doc_id"][order[winner[lost]]]}


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
            _send(columns, True, job.partitions, output)
        return
    for block in job.blocks.group(number):
        rows = job.blocks.read_rows(block, ["doc_id", "source", "text_digest", "drop"])
        live = np.flatnonzero(rows.pop("drop") == Drop.KEPT)
        columns = take(rows, live)
        columns["block"] = np.full(len(live), block, np.uint32)
        columns["row"] = live.astype(np.uint32)
        _send(columns, False, job.partitions, output)


def _send(columns: Columns, gone: bool, partitions: int, output: Output) -> None:
    count = row_count(columns)
    columns["gone"] = np.full(count, gone, np.uint8)
    output.emit(partition_of(columns["text_digest"], partitions), columns)
    output.tick(0, count)


def exact_reduce(job: ExactJob, partition: int, blocks: Iterator[Columns], output: Output) -> None:
    """Of each text the best ranked that is not gone stays; writes the others with its id."""
    records = concat(blocks)
    if not records:
        return
    address = records["block"].astype(np.uint64) << np.uint64(32) | records["row"]
    records = take(records, ~np.isin(address, address[records["gone"] > 0]))
    losers = others_of_each(records["text_digest"], records)
    output.write("exact.arrow", {name: losers[name] for name in ("block", "row", "winner")})


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
    records = concat(blocks)
    if not records:
        return
    node, first = _rank(records)
    refine = np.stack([records[name] for name in sorted(records) if name.startswith("refine")], axis=1)
    pairs = duplicates.candidate_pairs(records["key"], node, refine)
    output.counts["in_large_buckets"] += pairs.in_large_buckets
    output.counts["pairs"] += len(pairs.better)
    identity = {name: records[name] for name in _IDENTITY}
    columns = {f"a_{name}": column[first[pairs.better]] for name, column in identity.items()}
    columns |= {f"b_{name}": column[first[pairs.worse]] for name, column in identity.items()}
    output.write("pairs.arrow", columns)


def _rank(records: Columns) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers the documents of a table in rank order: (node of each record, one record of each node)."""
    keys = [*fixed_key(records["doc_id"]), records["source"]]
    order = np.lexsort(keys)
    new = np.zeros(len(order), bool)
    new[:1] = True
    for key in keys:
        ranked = key[order]
        new[1:] |= ranked[1:] != ranked[:-1]
    node = np.empty(len(order), np.int64)
    node[order] = np.cumsum(new) - 1
    return node, order[new]


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
    pairs = concat(blocks)
    if not pairs:
        return
    address = [pairs[name] for name in ("a_row", "a_block", "b_row", "b_block")]
    order = np.lexsort(address)
    new = np.ones(len(order), bool)
    new[1:] = np.any([key[order][1:] != key[order][:-1] for key in address], axis=0)
    pairs = take(pairs, order[new])  # Several bands give the same pair.
    output.counts["pairs_verified"] += row_count(pairs)
    with output.part("shingles.arrow") as part:
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
                part.write(columns | {"b_shingles": _packed(sets, which[starts[rows]])})
            output.tick(int(texts.offsets[-1]), len(texts))
        output.parts.append(part.close())


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
    edges: list[Columns] = []
    for table in gather(blocks, EVIDENCE_BYTES):
        partners: Texts = table["a"]
        a = np.frombuffer(partners.data.tobytes(), _PARTNER)
        owner = np.repeat(np.arange(len(partners)), partners.lengths // _PARTNER.itemsize)
        right = _unpacked(table["b_shingles"])
        for texts, members in _texts_of(job.blocks, group, a["block"], a["row"]):
            left = shingle_sets(texts, job.ngram)
            _, which = np.unique(a["row"][members], return_inverse=True)
            inter, union = count_shared(left, which.astype(np.int64), right, owner[members])
            similar = duplicates.reaches(inter, union, job.threshold_percent)
            output.counts["pairs_below"] += int((~similar).sum())
            found = members[similar]
            columns: Columns = {f"a_{name}": a[name][found] for name in ("source", "block", "row")}
            columns["a_doc_id"] = np.ascontiguousarray(a["doc_id"][found]).view(np.uint8).reshape(-1, 16)
            columns |= {f"b_{name}": table[f"b_{name}"][owner[found]] for name in _IDENTITY}
            edges.append(columns | {"inter": inter[similar], "union": union[similar]})
            output.tick(int(texts.offsets[-1]), len(members))
    if edges:
        whole = concat(edges)
        order = np.lexsort([whole[name] for name in ("b_row", "b_block", "a_row", "a_block")])
        output.write("evidence.arrow", take(whole, order))


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
    return ShingleSets(np.frombuffer(packed.data.tobytes(), np.uint64), packed.offsets // 8)


@dataclass(frozen=True)
class LosersJob:
    """What the resolution reads."""

    evidence: tuple[str, ...]
    policy: str


def losers_map(job: LosersJob, number: int, output: Output) -> None:
    """Resolves all edges at once and writes each loser with its winner and the measured Jaccard.

    The one task that holds a whole table: 56 bytes an edge, of which there are far fewer than documents.
    """
    edges = concat(columns for url in job.evidence for columns in read_part(url))
    if not row_count(edges):
        return
    both = {n: np.concatenate([edges[f"a_{n}"], edges[f"b_{n}"]]) for n in _IDENTITY}
    node, first = _rank(both)
    half = len(node) // 2
    verdicts = duplicates.resolve(node[:half], node[half:], duplicates.Policy(job.policy))
    lost = first[verdicts.loser]
    columns: Columns = {name: both[name][lost] for name in ("block", "row")}
    columns["winner"] = both["doc_id"][first[verdicts.winner]]
    columns["via"] = both["doc_id"][first[verdicts.via]]
    columns["inter"], columns["union"] = edges["inter"][verdicts.pair], edges["union"][verdicts.pair]
    output.write("losers.arrow", take(columns, np.lexsort([columns["row"], columns["block"]])))
