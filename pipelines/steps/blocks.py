"""Document blocks: where documents lie between the stage that reads them and the shards.

A block is two parts of one task, and up to two more where there is something to hold:

    .rows.arrow       a row for every record read, kept or refused, with its address and measured values
    .text.arrow       the normalised text of the rows that no rule refused
    .comments.arrow   the posts that a thread's or a story's document is made of
    .facts.arrow      what a crawl knows of its pages: url, date, language, opt-out

A document's address within a build is (block, row): the block's place in the sorted list of all blocks, and the
row in its rows part.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from corpus import storage
from corpus.document import Texts
from corpus.manifest import Manifest
from corpus.part import read_part
from corpus.table import Columns, concat, row_count, take
from pipelines.stage import Output, Sealed

BLOCK_TEXT_BYTES = 32 << 20  # unpublished: our choice; bounds what a task holds of a block's text
BATCH_TEXT_BYTES = 4 << 20  # design: kernels work on batches of 1-4 MB
# Unpublished: our choice. Of so many blocks and fewer every block is a group; of more, groups grow as they do in
# number, so that tasks times partitions of an exchange by block grow as the blocks do, and no faster.
ALONE = 128

# The stages that write blocks, in their order.
BLOCK_STAGES = ("documents", "threads", "chains", "items", "stories")
ROWS, TEXT, COMMENTS, FACTS = ".rows.arrow", ".text.arrow", ".comments.arrow", ".facts.arrow"


@dataclass(frozen=True)
class Blocks:
    """Every block of a build, in order, and how exchanges by block group them.

    Attributes:
        facts: The part that holds each block's facts; "" where its formats know nothing.
    """

    rows: tuple[str, ...]
    text: tuple[str, ...]
    facts: tuple[str, ...]

    @classmethod
    def of(cls, stages: Sequence[Sealed]) -> Blocks:
        """The blocks that these stages wrote, in the order of stages and names."""
        return cls._named([url for stage in stages for url in stage.urls(".arrow")])

    @classmethod
    def sealed_in(cls, store: str, manifest: Manifest) -> Blocks:
        """The blocks of a sealed corpus, numbered as its build numbered them."""
        urls: list[str] = []
        for stage in manifest.stages:
            if stage.name in BLOCK_STAGES:
                folder = manifest.stage_folder(store, stage.name)
                urls += [storage.join(folder, part.name) for part in stage.parts]
        return cls._named(urls)

    @classmethod
    def _named(cls, parts: Sequence[str]) -> Blocks:
        rows = [url for url in parts if url.endswith(ROWS)]
        known = {url for url in parts if url.endswith(FACTS)}
        facts = [url.removesuffix(ROWS) + FACTS for url in rows]
        return cls(
            rows=tuple(rows),
            text=tuple(url for url in parts if url.endswith(TEXT)),
            facts=tuple(url if url in known else "" for url in facts),
        )

    @property
    def group_size(self) -> int:
        """Blocks in a group."""
        return group_size_of(len(self.rows))

    @property
    def groups(self) -> int:
        """Partitions of an exchange by block."""
        return -(-len(self.rows) // self.group_size)

    def group(self, number: int) -> range:
        """The blocks of a group."""
        first = number * self.group_size
        return range(first, min(first + self.group_size, len(self.rows)))

    def group_of(self, block: NDArray[np.uint32]) -> NDArray[np.int64]:
        """The group of each block."""
        return block.astype(np.int64) // self.group_size

    def read_rows(self, block: int, columns: Sequence[str] | None = None) -> Columns:
        """The rows part of a block, whole."""
        return concat(read_part(self.rows[block], columns))

    def read_facts(self, block: int, columns: Sequence[str] | None = None) -> Columns:
        """What a crawl knows of a block's records, `row` beside it; no columns where its formats know nothing."""
        return concat(read_part(self.facts[block], columns)) if self.facts[block] else {}

    def read_text(self, block: int) -> Iterator[tuple[NDArray[np.int32], Texts]]:
        """The texts of a block in batches: (row numbers, texts)."""
        for columns in read_part(self.text[block]):
            yield columns["row"], columns["text"]


def group_size_of(blocks: int) -> int:
    """Blocks in a group of an exchange by block; a function of their number alone."""
    return max(1, math.isqrt(blocks // ALONE))


def ledger_starts(manifest: Manifest) -> NDArray[np.int64]:
    """int64[blocks + 1], at which row of the ledger each block begins: there they stand one after another."""
    parts = [part for stage in manifest.stages if stage.name in BLOCK_STAGES for part in stage.parts]
    return np.cumsum([0, *(part.rows for part in parts if part.name.endswith(ROWS))], dtype=np.int64)


def block_of(starts: NDArray[np.int64], place: int) -> tuple[int, int]:
    """The block that a row of the ledger is from, and its row there.

    Args:
        starts: int64[blocks + 1], as `ledger_starts` gives them.
        place: The row, of the whole ledger.
    """
    block = int(np.searchsorted(starts, place, "right")) - 1
    return block, place - int(starts[block])


class BlockWriter:
    """Gathers documents into blocks, cut where a block's text is full."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._number = 0
        self._rows: list[Columns] = []
        self._texts: list[tuple[NDArray[np.int32], Texts]] = []
        self._beside: dict[str, list[Columns]] = {COMMENTS: [], FACTS: []}
        self._row_count = self._text_bytes = 0

    def add(
        self,
        rows: Columns,
        kept: NDArray[np.int64],
        texts: Texts,
        comments: Columns | None = None,
        facts: Columns | None = None,
    ) -> None:
        """Adds consecutive rows.

        Args:
            rows: The rows' columns.
            kept: int64[k], which of these rows no rule refused, ascending.
            texts: Their k normalised texts.
            comments: What chain documents are made of; its `row` counts within `rows`.
            facts: What is known of the records beside their text, likewise.
        """
        self._rows.append(rows)
        if len(kept):
            self._texts.append(((kept + self._row_count).astype(np.int32), texts))
        for ending, table in ((COMMENTS, comments), (FACTS, facts)):
            if table is not None:
                shifted = (table["row"] + self._row_count).astype(np.int32)
                self._beside[ending].append({**table, "row": shifted})
        self._row_count += row_count(rows)
        self._text_bytes += int(texts.offsets[-1])
        if self._text_bytes >= BLOCK_TEXT_BYTES or self._row_count >= 1 << 20:
            self.flush()

    def flush(self) -> None:
        """Writes what is held as one block; nothing held writes nothing."""
        if not self._row_count:
            return
        name = f"{self._number:04d}"
        self._output.write(name + ROWS, concat(self._rows))
        with self._output.part(name + TEXT) as part:
            for row, texts in self._texts or [(np.zeros(0, np.int32), Texts.from_list([]))]:
                part.write({"row": row, "text": texts})
            self._output.parts.append(part.close())
        for ending, tables in self._beside.items():
            if tables:
                self._output.write(name + ending, concat(tables))
        self._number += 1
        self._rows, self._texts = [], []
        self._beside = {COMMENTS: [], FACTS: []}
        self._row_count = self._text_bytes = 0


def rows_by_block(blocks: Iterator[Columns], count: range) -> dict[int, Columns]:
    """Exchanged rows gathered by their `block` column, every block of the group present, sorted by row."""
    whole = concat(blocks)
    found: dict[int, Columns] = {block: {} for block in count}
    if not whole:
        return found
    for block in count:
        mine = take(whole, whole["block"] == block)
        found[block] = take(mine, np.argsort(mine["row"], kind="stable"))
    return found
