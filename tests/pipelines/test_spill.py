"""Blocks and spill files: every row arrives in its partition, once, in blocks that no engine finds too large."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from corpus.document import Texts
from corpus.storage import NewFile
from corpus.table import Columns
from pipelines import packing, spill
from pipelines.packing import pack, unpack
from pipelines.spill import SpillWriter, read_blocks, read_spills, spill_url
from pipelines.stage import Output, Stage, task_name


def table_of(texts: list[bytes]) -> Columns:
    numbers = np.arange(len(texts), dtype=np.int64)
    ids = np.repeat(numbers.astype(np.uint8)[:, None], 16, axis=1)
    return {"number": numbers, "text": Texts.from_list(texts), "id": ids}


def rows_of(columns: Columns) -> list[tuple[int, bytes, bytes]]:
    return [
        (number, text, own.tobytes())
        for number, text, own in zip(columns["number"].tolist(), columns["text"], columns["id"], strict=True)
    ]


@given(st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=30), min_size=1, max_size=6), st.data())
def test_packed_rows_come_back_in_order_whatever_the_limits(
    tables: list[list[bytes]], data: st.DataObject
) -> None:
    limit, gathered = data.draw(st.integers(30, 400)), data.draw(st.integers(1, 2000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "BLOCK_BYTES", limit)
        patch.setattr(packing, "GATHER_BYTES", gathered)
        blocks = [unpack(block.to_pybytes()) for block in pack(map(table_of, tables))]
    assert [row for block in blocks for row in rows_of(block)] == [
        row for texts in tables for row in rows_of(table_of(texts))
    ]
    for block in blocks:
        size = sum(8 + 16 + len(text) + 8 for _, text, _ in rows_of(block))
        assert size <= limit or len(block["number"]) == 1


def test_a_block_is_at_most_sixteen_mebibytes_whatever_the_table() -> None:
    """Bytes that do not shrink, in rows from nothing to 3 MB, and one row larger than any block."""
    draw = np.random.default_rng(0)
    sizes = [0, 1, 100, 3_000_000] * 12 + [20 << 20] + [7] * 50_000
    texts = [draw.bytes(size) for size in sizes]
    blocks = list(pack([table_of(texts)]))
    found = [unpack(block) for block in blocks]
    assert [text for block in found for text in block["text"]] == texts
    large = [block.size for block in blocks if block.size > 16 << 20]
    assert len(large) == 1
    assert len(blocks) >= sum(sizes) // (16 << 20)


PARTITIONS = 6
ROWS = st.lists(
    st.tuples(
        st.integers(0, PARTITIONS - 1),
        st.integers(-(2**15), 2**15 - 1),
        st.binary(max_size=12),
        st.binary(min_size=3, max_size=3),
        st.binary(max_size=40),
    ),
    max_size=12,
)
Row = tuple[int, bytes, bytes, bytes]


def exchange(folder: Path) -> Stage:
    return Stage("s", str(folder), {}, [], None, 2, _nothing, PARTITIONS, _reduce)


def emitted(rows: list[tuple[int, int, bytes, bytes, bytes]], turned: bool) -> tuple[NDArray[np.int64], Columns]:
    """Rows of every kind of column, for a spill; `turned`, the columns stand in another order."""
    partition, number, first, fixed, second = map(list, zip(*rows, strict=True))
    columns: Columns = {
        "number": np.array(number, np.int16),
        "first": Texts.from_list(first),
        "fixed": np.frombuffer(b"".join(fixed), np.uint8).reshape(-1, 3),
        "second": Texts.from_list(second),
    }
    return np.array(partition), dict(reversed(columns.items())) if turned else columns


def held(columns: Columns) -> list[Row]:
    assert columns["number"].dtype == np.int16
    fixed = [own.tobytes() for own in columns["fixed"]]
    return list(zip(columns["number"].tolist(), columns["first"], fixed, columns["second"], strict=True))


@given(
    tasks=st.tuples(*[st.lists(st.tuples(ROWS, st.booleans()), max_size=4)] * 2),
    budget=st.integers(1, 300),
    large=st.integers(1, 200),
    gathered=st.integers(1, 200),
)
def test_every_row_of_a_spill_comes_in_its_partition_once(
    tmp_path_factory: pytest.TempPathFactory,
    tasks: tuple[list[tuple[list[tuple[int, int, bytes, bytes, bytes]], bool]], ...],
    budget: int,
    large: int,
    gathered: int,
) -> None:
    """Bare or in blocks, however often the task flushed, whatever the order of its columns."""
    stage = exchange(tmp_path_factory.mktemp("store"))
    with pytest.MonkeyPatch.context() as patch:
        for name, limit in (("BUDGET_BYTES", budget), ("COMPRESSED_BYTES", large), ("GATHER_BYTES", gathered)):
            patch.setattr(spill, name, limit)
        for number, tables in enumerate(tasks):
            file = NewFile(spill_url(stage, task_name("map", number)))
            writer = SpillWriter(file)
            for rows, turned in tables:
                if rows:
                    writer.emit(*emitted(rows, turned))
            writer.finish()
            file.publish()
        found = [
            sorted(row for table in read_spills(stage, partition) for row in held(table))
            for partition in range(PARTITIONS)
        ]
    everything = [row for tables in tasks for rows, _ in tables for row in rows]
    for partition in range(PARTITIONS):
        assert found[partition] == sorted(row[1:] for row in everything if row[0] == partition)


@given(tables=st.lists(st.tuples(ROWS, st.booleans()), max_size=4), large=st.integers(1, 200))
def test_blocks_of_a_spill_hold_its_rows_and_no_others(
    tables: list[tuple[list[tuple[int, int, bytes, bytes, bytes]], bool]], large: int
) -> None:
    """For an engine with a way of its own, blocks say themselves what they hold."""
    file = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spill, "COMPRESSED_BYTES", large)
        writer = SpillWriter(file)
        for rows, turned in tables:
            if rows:
                writer.emit(*emitted(rows, turned))
        writer.finish()
        found = [(partition, *row) for partition, block in read_blocks(file) for row in held(unpack(block))]
    assert sorted(found) == sorted(row for rows, _ in tables for row in rows)
    assert [row[0] for row in found] == sorted(row[0] for row in found)


def test_of_thousands_of_partitions_each_is_found(tmp_path: Path) -> None:
    """An index longer than a file's tail; most partitions without a row, some of them behind the last with one."""
    stage = replace(exchange(tmp_path), partitions=5000, tasks=1)
    file = NewFile(spill_url(stage, "map-00000"))
    writer = SpillWriter(file)
    chosen = np.arange(3, 4000, 7)
    writer.emit(np.repeat(chosen, 2), {"number": np.arange(2 * len(chosen))})
    writer.finish()
    file.publish()
    found = {n: [t["number"].tolist() for t in read_spills(stage, n)] for n in range(stage.partitions)}
    assert found == {n: [[2 * (n // 7), 2 * (n // 7) + 1]] if n in chosen else [] for n in range(stage.partitions)}


def test_columns_that_change_within_an_exchange_are_refused() -> None:
    writer = SpillWriter(io.BytesIO())
    writer.emit(np.zeros(2, np.int64), {"number": np.arange(2, dtype=np.int32)})
    with pytest.raises(ValueError, match="columns change"):
        writer.emit(np.zeros(2, np.int64), {"number": np.arange(2, dtype=np.int64)})


def _nothing(job: None, number: int, output: Output) -> None: ...


def _reduce(job: None, partition: int, blocks: object, output: Output) -> None: ...
