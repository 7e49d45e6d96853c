"""The external sort against Python's own, with budgets that make it spill and merge at every turn."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.document import Texts
from corpus.errors import StoreError
from corpus.table import Columns
from pipelines import external_sort
from pipelines.external_sort import ExternalSort, distinct, gathered, sort_rows

ROOT = Path(__file__).resolve().parents[2]
Row = tuple[bytes, int, int, bytes]
BY = ("digest", "signed", "number")

# Few values, so that keys repeat within and across tables; the ends of what a column holds among them.
rows = st.tuples(
    st.sampled_from([bytes(8), bytes(7) + b"\1", b"a" + bytes(7), b"\xff" * 8]),
    st.sampled_from([-(2**63), -1, 0, 7]),
    st.sampled_from([0, 1, 2**64 - 1]),
    st.binary(max_size=30),
)
tables = st.lists(st.lists(rows, max_size=12), max_size=12)


def packed(found: list[Row]) -> Columns:
    return {
        "digest": np.array([list(row[0]) for row in found], np.uint8).reshape(-1, 8),
        "signed": np.array([row[1] for row in found], np.int64),
        "number": np.array([row[2] for row in found], np.uint64),
        "text": Texts.from_list([row[3] for row in found]),
    }


def unpacked(table: Columns) -> list[Row]:
    columns = (table["digest"], table["signed"].tolist(), table["number"].tolist(), table["text"])
    return [(digest.tobytes(), *rest) for digest, *rest in zip(*columns, strict=True)]


def all_rows(found: Iterator[Columns]) -> list[Row]:
    return [row for table in found for row in unpacked(table)]


@given(tables, st.sampled_from([0, 100, 1000, 10**6]), st.integers(2, 5))
@settings(max_examples=300)
def test_rows_are_in_order_and_all_there(given_tables: list[list[Row]], budget: int, fan_in: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(external_sort, "_FAN_IN", fan_in)
        found = all_rows(sort_rows(map(packed, given_tables), BY, budget))
    everything = [row for table in given_tables for row in table]
    assert [row[:3] for row in found] == sorted(row[:3] for row in everything)
    assert sorted(found) == sorted(everything)


@given(tables, st.integers(1, 600), st.integers(1, 3))
@settings(max_examples=300)
def test_what_is_equal_lies_together(given_tables: list[list[Row]], size: int, columns: int) -> None:
    by = BY[:columns]
    everything = sorted(row for table in given_tables for row in table)
    cut = [unpacked(table) for table in gathered(sort_rows(map(packed, given_tables), BY, 100), by, size)]
    assert sorted(row for table in cut for row in table) == everything
    groups = [{row[:columns] for row in table} for table in cut]
    assert all(groups)
    assert sum(map(len, groups)) == len(set().union(*groups))


@given(tables, st.integers(1, 3))
@settings(max_examples=300)
def test_one_of_each_value(given_tables: list[list[Row]], columns: int) -> None:
    found = all_rows(distinct(sort_rows(map(packed, given_tables), BY, 100), BY[:columns]))
    everything = sorted(row[:columns] for table in given_tables for row in table)
    assert [row[:columns] for row in found] == [key for key, _ in groupby(everything)]
    assert set(found) <= {row for table in given_tables for row in table}


def test_runs_of_runs_are_merged() -> None:
    # 64 * 64 runs and more: the second level is written, and a third begun.
    count = 64 * 64 + 100
    numbers = list(range(count))
    random.Random(1).shuffle(numbers)
    single = ({"number": np.array([number]), "twice": np.array([2 * number])} for number in numbers)
    found = list(sort_rows(single, ["number"], budget=0))
    assert np.concatenate([table["number"] for table in found]).tolist() == list(range(count))
    assert np.concatenate([table["twice"] for table in found]).tolist() == list(range(0, 2 * count, 2))


def test_no_rows_are_no_tables() -> None:
    assert list(sort_rows([], BY)) == []
    assert list(gathered([], BY)) == []
    assert list(sort_rows([packed([])], BY)) == []


def test_a_full_disk_is_an_error_of_ours() -> None:
    with ExternalSort(["number"], budget=0) as rows, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "TemporaryFile", lambda prefix: os.fdopen(os.open("/dev/full", os.O_WRONLY), "wb"))
        with pytest.raises(StoreError, match="No space left") as found:
            rows.add({"number": np.arange(10)})
    assert "TMPDIR" in found.value.remedy


def test_a_sort_of_many_times_its_budget_stays_small() -> None:
    """256 MB of rows under a budget of 16 MB; without it they would be held two times over."""
    program = """
import resource, numpy as np
from pipelines.external_sort import sort_rows
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
draw = np.random.default_rng(1)
def tables():
    for _ in range(64):
        yield {"key": draw.integers(0, 2**63, 1 << 17, np.uint64), "row": np.arange(1 << 17),
               "id": draw.integers(0, 256, (1 << 17, 16), np.uint8)}
count, last = 0, 0
for table in sort_rows(tables(), ["key"], 16 << 20):
    assert int(table["key"][0]) >= last and (np.diff(table["key"].view(np.int64)) >= 0).all()
    last, count = int(table["key"][-1]), count + len(table["key"])
assert count == 64 << 17
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    # From a small process: a peak starts from its parent's, and pytest is no small parent.
    launch = f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', {program!r}]).returncode)"
    done = subprocess.run([sys.executable, "-c", launch], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    kilobytes = int(done.stdout)
    assert kilobytes < 200_000
