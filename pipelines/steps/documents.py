"""From files to document blocks: read, give each record its source, normalise, judge.

documents   groups of files of every input but Reddit -> map -> blocks
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from corpus.document import DOC_ID_BYTES, Texts, document_id, text_digest
from corpus.drops import Drop
from corpus.readers.formats import FORMATS
from corpus.readers.record import FACTS, Records
from corpus.recipe import Input, Recipe, Text
from corpus.source import Blob
from corpus.table import Columns
from corpus.url_list import listed, load_url_list
from pipelines.datatrove_blocks import NO_BLOCK, words
from pipelines.stage import Output
from pipelines.steps.blocks import BlockWriter
from pipelines.steps.reading import Stream, read_blob, read_parquet_blob
from pipelines.steps.treatment import MEASURED, treat

TASK_BYTES = 4 << 20  # unpublished: our choice; small files are read together until they have this size on disk
ANY_LABEL = "*"
_UNREAD = Text(normalise=())  # where there is no text, no rule is asked
_REFUSAL = ("source", "block", "reason")


@dataclass(frozen=True)
class DocumentsJob:
    """What the documents stage reads: all blobs of the build by number, and which of them each task reads.

    Attributes:
        url_lists: Where the lists of the recipe lie, by their sha256.
    """

    data: str
    recipe: Recipe
    blobs: tuple[Blob, ...]
    tasks: tuple[tuple[int, ...], ...]
    url_lists: Mapping[str, str]


def group_blobs(blobs: Sequence[Blob], numbers: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Consecutive files put together until they pass the task's size; a large file stands alone."""
    tasks: list[list[int]] = []
    held = TASK_BYTES
    for number in numbers:
        if held >= TASK_BYTES:
            tasks.append([])
            held = 0
        tasks[-1].append(number)
        held += blobs[number].size
    return tuple(map(tuple, tasks))


def documents_map(job: DocumentsJob, number: int, output: Output) -> None:
    """Reads a group of files into blocks; nothing of them counts before all are proved against their pins."""
    writer = BlockWriter(output)
    for blob_number in job.tasks[number]:
        blob = job.blobs[blob_number]
        entry = next(entry for entry in job.recipe.input if entry.name == blob.input)
        lists = [load_url_list(job.url_lists[found.sha256], found.sha256) for found in entry.url_lists or ()]
        reading = _Reading(job.recipe, entry, blob_number, blob, writer, output, lists)
        if entry.reader == "parquet":
            stream = read_parquet_blob(job.data, blob, entry, reading.consume)
        else:
            stream = read_blob(job.data, blob, job.recipe.on_damage, reading.consume_chunks)
        is_lines = entry.reader == "parquet" or FORMATS[entry.reader].is_lines
        records = stream.lines if is_lines else reading.records
        count_stream(output, entry.name, blob, stream, records)
    writer.flush()


def count_stream(output: Output, name: str, blob: Blob, stream: Stream, records: int) -> None:
    """Counts what streamed by, for the law of the input; and its damage, for the seal."""
    output.counts[f"stream/{name}/bytes"] += stream.bytes
    output.counts[f"stream/{name}/records"] += records
    if stream.damage:
        damage = [blob.path.encode()], [stream.damage.encode()], np.array([stream.bytes])
        columns = {
            "path": Texts.from_list(damage[0]),
            "what": Texts.from_list(damage[1]),
            "stream_bytes": damage[2],
        }
        output.write(f"{blob.sha256[:16]}.damage.arrow", columns)


def count_documents(output: Output, name: str, records: int, raw_bytes: int) -> None:
    """Counts the records that became rows of the ledger, for the law of the input."""
    output.counts[f"documents/{name}/records"] += records
    output.counts[f"documents/{name}/bytes"] += raw_bytes


def count_refusals(output: Output, recipe: Recipe, rows: Columns) -> None:
    """Counts what blocks of other libraries refused, in their words; the rows hold numbers."""
    refused = np.flatnonzero(rows["drop"] == Drop.FOREIGN_RULE)
    for source, block, reason in zip(*(rows[name][refused].tolist() for name in _REFUSAL), strict=True):
        chosen = recipe.source[source]
        said = words((chosen.text or recipe.text).blocks[block], reason)
        output.counts[f"refused/{chosen.name}/{said}"] += 1


@dataclass
class _Reading:
    """One blob on its way into blocks."""

    recipe: Recipe
    entry: Input
    number: int
    blob: Blob
    writer: BlockWriter
    output: Output
    lists: Sequence[NDArray[np.bytes_]]
    records: int = 0
    _sources: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self._sources = source_numbers(self.recipe, self.entry)

    def consume_chunks(self, chunks: Iterator[bytes]) -> None:
        """Takes the blob's uncompressed stream."""
        self.consume(FORMATS[self.entry.reader].read(self.entry, chunks, self.recipe.max_record_bytes))

    def consume(self, batches: Iterator[Records]) -> None:
        """Takes the blob's records, batch by batch."""
        for records in batches:
            self.records += len(records) + sum(count for count, _ in records.skipped.values())
            for label, (count, size) in records.skipped.items():
                self._skip(label, count, size)
            self._take(records)

    def _skip(self, label: str, count: int, size: int) -> None:
        self.output.counts[f"unchosen/{self.entry.name}/records/{label}"] += count
        self.output.counts[f"unchosen/{self.entry.name}/bytes/{label}"] += size

    def _take(self, records: Records) -> None:
        unread = unread_source(self.recipe, self.entry)
        any_source = self._sources.get(ANY_LABEL, -1)
        source = np.fromiter(
            (self._sources.get(label, any_source) for label in records.label), np.int64, len(records)
        )
        source[records.damage > 0] = unread
        for row in np.flatnonzero(source < 0).tolist():
            self._skip(records.label[row], 1, int(records.raw_bytes[row]))
        rows = np.flatnonzero(source >= 0)
        if not len(rows):
            return
        count_documents(self.output, self.entry.name, len(rows), int(records.raw_bytes[rows].sum()))
        source = source[rows]
        numbers, raw = records.number[rows], records.raw.take(rows)
        names = [entry.name for entry in self.recipe.source] + [entry.name for entry in self.recipe.input]
        ids = b"".join(
            document_id(names[index], f"{self.blob.path}:{number}", record)
            for index, number, record in zip(source.tolist(), numbers.tolist(), raw, strict=True)
        )
        address = {
            "doc_id": np.frombuffer(ids, np.uint8).reshape(-1, DOC_ID_BYTES),
            "source": source.astype(np.uint16),
            "blob": np.full(len(rows), self.number, np.uint32),
            "record": numbers,
            "offset": records.offset[rows],
            "raw_bytes": records.raw_bytes[rows],
        }
        texts = records.text.take(rows)
        facts = _facts(records, rows)
        drop = records.damage[rows]
        if self.lists and facts is not None:
            drop = np.where((drop == Drop.KEPT) & listed(list(facts["url"]), self.lists), Drop.LISTED_URL, drop)
        columns, kept, kept_texts = judged(
            self.recipe, address, texts, drop.astype(np.uint8), records.repairs[rows].astype(np.int32)
        )
        count_refusals(self.output, self.recipe, columns)
        self.writer.add(columns, kept, kept_texts, facts=facts)
        self.output.tick(int(kept_texts.offsets[-1]), len(kept))


def _facts(records: Records, rows: NDArray[np.intp]) -> Columns | None:
    """What is known of these records beside their text; None where the format knows nothing."""
    if not records.facts:
        return None
    facts: Columns = {"row": np.arange(len(rows), dtype=np.int32)}
    for name in FACTS:
        values = records.facts.get(name)
        facts[name] = Texts.from_list([values[row].encode() if values else b"" for row in rows.tolist()])
    return facts


def source_numbers(recipe: Recipe, entry: Input) -> dict[str, int]:
    """The input's labels and the number of the source each belongs to."""
    names = [source.name for source in recipe.source]
    return {label: names.index(name) for label, name in entry.sources.items()}


def unread_source(recipe: Recipe, entry: Input) -> int:
    """The source number of the input's records that could not be read, and so belong to no source."""
    return len(recipe.source) + [other.name for other in recipe.input].index(entry.name)


def judged(
    recipe: Recipe, address: Columns, texts: Texts, known: NDArray[np.uint8], repairs: NDArray[np.int32]
) -> tuple[Columns, NDArray[np.int64], Texts]:
    """Normalises and judges texts: (ledger rows with text digests, the rows that stay, their texts).

    A `Drop` that is known before, of a record's damage or its URL, stands.
    """
    count = len(texts)
    normal, verdict = _by_treatment(recipe, address["source"], texts)
    drop = np.where(known > 0, known, verdict["drop"]).astype(np.uint8)
    for name in ("block", "reason"):
        verdict[name] = np.where(drop == Drop.FOREIGN_RULE, verdict[name], NO_BLOCK).astype(np.int32)
    kept = np.flatnonzero(drop == Drop.KEPT)
    kept_texts = normal.take(kept)
    digests = np.zeros((count, 32), np.uint8)
    digests[kept] = np.frombuffer(b"".join(map(text_digest, kept_texts)), np.uint8).reshape(-1, 32)
    columns = address | {
        "extracted_bytes": texts.lengths,
        "text_bytes": normal.lengths,
        "drop": drop,
        "repairs": repairs,
        **{name: verdict[name] for name in MEASURED},
        "text_digest": digests,
    }
    return columns, kept, kept_texts


def _by_treatment(recipe: Recipe, source: NDArray[np.uint16], texts: Texts) -> tuple[Texts, Columns]:
    """Each text treated as its source says: texts and verdicts in the order given."""
    treatments: list[Text] = []
    which = np.zeros(len(texts), np.int64)
    for number in np.unique(source).tolist():
        text = recipe.source[number].text or recipe.text if number < len(recipe.source) else _UNREAD
        if text not in treatments:
            treatments.append(text)
        which[source == number] = treatments.index(text)
    if len(treatments) == 1:
        return treat(texts, treatments[0])
    order = np.argsort(which, kind="stable")
    treated = [treat(texts.take(order[which[order] == i]), text) for i, text in enumerate(treatments)]
    back = np.argsort(order, kind="stable")
    normal = Texts.concat([texts for texts, _ in treated]).take(back)
    return normal, {n: np.concatenate([verdict[n] for _, verdict in treated])[back] for n in treated[0][1]}
