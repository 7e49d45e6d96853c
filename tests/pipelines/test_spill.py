"""Blocks and spill files: every row arrives in its partition, once, in blocks that no engine finds too large."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.document import Texts
from corpus.storage import NewFile
from corpus.table import Columns, concat
from pipelines import packing, spill
from pipelines.packing import pack, unpack
from pipelines.spill import SpillWriter, read_spills, spill_url
from pipelines.stage import Output, Stage


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
        patch.setattr(packing, "_GATHER_BYTES", gathered)
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


@given(st.lists(st.tuples(st.integers(0, 5), st.binary(max_size=12)), max_size=60), st.integers(1, 300))
def test_a_spill_file_says_itself_where_each_partition_lies(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, bytes]], budget: int
) -> None:
    store = tmp_path_factory.mktemp("store")
    stage = Stage(
        name="s",
        store=str(store),
        rules={},
        inputs=[],
        job=None,
        tasks=2,
        map=_nothing,
        partitions=6,
        reduce=_reduce,
    )
    expected: dict[int, list[bytes]] = defaultdict(list)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spill, "BUDGET_BYTES", budget)
        for task, mine in (("map-00000", rows[::2]), ("map-00001", rows[1::2])):
            file = NewFile(spill_url(stage, task))
            writer = SpillWriter(file)
            for partition, text in mine:
                writer.emit(np.array([partition]), {"text": Texts.from_list([text])})
                expected[partition].append(text)
            writer.finish()
            file.publish()
    for partition in range(6):
        found = concat(read_spills(stage, partition))
        assert sorted(found["text"] if found else []) == sorted(expected[partition])


def _nothing(job: None, number: int, output: Output) -> None: ...


def _reduce(job: None, partition: int, blocks: object, output: Output) -> None: ...
