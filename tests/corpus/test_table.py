"""Tables and parts: what goes in comes out, and the digest is of the values alone."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.document import Texts
from corpus.part import PartWriter, logical_digest, read_part, read_row, read_row_group, row_groups
from corpus.table import Columns, LogicalDigest, concat, fixed_key, from_batch, gather, row_count, take, to_batch


def table(texts: list[bytes]) -> Columns:
    rows = len(texts)
    return {
        "id": np.arange(rows * 16, dtype=np.uint8).reshape(rows, 16),
        "number": np.arange(rows, dtype=np.int64) * 3,
        "text": Texts.from_list(texts),
    }


def same(a: Columns, b: Columns) -> bool:
    return list(a) == list(b) and all(
        list(a[name]) == list(b[name]) if isinstance(a[name], Texts) else np.array_equal(a[name], b[name])
        for name in a
    )


texts_of = st.lists(st.binary(max_size=40), max_size=12)


@given(texts_of)
def test_arrow_and_back(texts: list[bytes]) -> None:
    assert same(from_batch(to_batch(table(texts))), table(texts))


@pytest.mark.parametrize("kind", ["u1", "u2", "u4", "u8", "i1", "i4", "i8", "f4", "f8"])
@pytest.mark.parametrize("rows", [0, 1, 5])
def test_every_kind_of_number_comes_back(kind: str, rows: int) -> None:
    batch = to_batch({"a": np.arange(rows, dtype=kind)})
    found = from_batch(batch)["a"]
    assert found.dtype == np.dtype(kind)
    assert found.tolist() == list(range(rows))
    assert from_batch(batch.slice(rows // 2))["a"].tolist() == list(range(rows))[rows // 2 :]


@given(texts_of, st.data())
def test_rows_are_taken_in_any_order_and_put_together_again(texts: list[bytes], data: st.DataObject) -> None:
    whole = table(texts)
    cut = data.draw(st.integers(0, len(texts)))
    rows = np.arange(len(texts))
    halves = [take(whole, rows[:cut]), take(whole, rows[cut:])]
    assert same(concat(halves), whole)
    backwards = take(whole, rows[::-1])
    assert list(backwards["text"]) == texts[::-1]
    assert same(take(whole, rows % 2 == 0), take(whole, rows[::2]))


@given(texts_of, st.integers(1, 400))
def test_gathered_tables_hold_the_same_rows(texts: list[bytes], budget: int) -> None:
    pieces = [take(table(texts), np.array([row])) for row in range(len(texts))]
    gathered = list(gather(pieces, budget))
    assert sum(map(row_count, gathered)) == len(texts)
    assert [text for piece in gathered for text in piece["text"]] == texts


@given(texts_of, st.data())
def test_the_digest_does_not_know_where_batches_are_cut(texts: list[bytes], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(texts)))
    rows = np.arange(len(texts))
    one, two = LogicalDigest(), LogicalDigest()
    one.update(table(texts))
    two.update(take(table(texts), rows[:cut]))
    two.update(take(table(texts), rows[cut:]))
    assert one.hexdigest() == two.hexdigest()


def test_the_digest_knows_every_value_name_and_type() -> None:
    def digest(columns: Columns) -> str:
        taken = LogicalDigest()
        taken.update(columns)
        return taken.hexdigest()

    base = table([b"ab", b"c"])
    others = [
        table([b"a", b"bc"]),
        table([b"ab", b"c", b""]),
        base | {"number": base["number"] + 1},
        base | {"number": base["number"].astype(np.int32)},
        {"number2" if name == "number" else name: column for name, column in base.items()},
    ]
    assert len({digest(columns) for columns in [base, *others]}) == 6


def test_ids_sort_as_bytes() -> None:
    ids = np.random.default_rng(1).integers(0, 256, (200, 16), np.uint8)
    ids[:50, :8] = ids[50:100, :8]
    order = np.lexsort(fixed_key(ids))
    assert [row.tobytes() for row in ids[order]] == sorted(row.tobytes() for row in ids)


@pytest.mark.parametrize("name", ["a.arrow", "a.parquet"])
def test_a_part_is_read_as_it_was_written(tmp_path: Path, name: str) -> None:
    written = [table([b"one", b"two"]), table([]), table([b"three"])]
    with PartWriter(str(tmp_path), name) as part:
        for columns in written:
            part.write(columns)
        facts = part.close()
    whole = concat(read_part(str(tmp_path / name)))
    assert same(whole, concat(written))
    assert (facts.rows, facts.bytes) == (3, (tmp_path / name).stat().st_size)
    assert logical_digest(str(tmp_path / name)) == (facts.logical, 3)
    numbers = concat(read_part(str(tmp_path / name), ["number"]))
    assert list(numbers) == ["number"]


def test_the_container_does_not_move_the_digest(tmp_path: Path) -> None:
    digests = set()
    for name in ("a.arrow", "a.parquet"):
        with PartWriter(str(tmp_path), name) as part:
            part.write(table([b"x", b"y"]))
            digests.add(part.close().logical)
    assert len(digests) == 1


def test_a_part_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="columns change"), PartWriter(str(tmp_path), "a.arrow") as part:
        part.write(table([b"x"]))
        part.write({"other": np.zeros(1)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("batches", [[1], [20_000], [3, 0, 8192, 9000]])
def test_one_row_is_found_wherever_it_lies(tmp_path: Path, batches: list[int]) -> None:
    rows = sum(batches)
    whole = {
        "doc_id": np.arange(rows * 16, dtype=np.uint64).astype(np.uint8).reshape(rows, 16),
        "record": np.arange(rows, dtype=np.int64) * 7,
        "row": np.random.default_rng(3).permutation(rows).astype(np.uint32),
        "drop": (np.arange(rows) % 5).astype(np.uint8),
    }
    first = 0
    with PartWriter(str(tmp_path), "a.parquet") as part:
        for batch in batches:
            part.write(take(whole, np.arange(first, first + batch)))
            first += batch
        facts = part.close()
    url = str(tmp_path / "a.parquet")
    assert logical_digest(url) == (facts.logical, rows)
    assert same(concat(read_part(url)), whole)
    for row in {0, rows // 2, rows - 1}:
        assert same(read_row(url, row), take(whole, np.array([row])))
        assert same(
            read_row(url, row, ["drop", "record"]),
            take({n: whole[n] for n in ("drop", "record")}, np.array([row])),
        )
    for row in (-1, rows):
        with pytest.raises(IndexError):
            read_row(url, row)


@given(st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 40)), max_size=9), min_size=1, max_size=6))
def test_row_groups_say_what_they_may_hold(groups: list[list[tuple[int, int]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with PartWriter(folder, "a.parquet") as part:
            for rows in groups:
                columns = {"blob": [b for b, _ in rows], "record": [r for _, r in rows]}
                part.write({name: np.array(values, np.int64) for name, values in columns.items()})
            part.close()
        url = f"{folder}/a.parquet"
        bounds = row_groups(url, ("record", "blob"))
        assert bounds.starts[-1] == sum(map(len, groups))
        for blob, record in {row for rows in groups for row in rows} | {(6, 0), (0, 41)}:
            may = bounds.may_hold({"blob": blob, "record": record})
            for number, rows in enumerate(groups):
                spans = [(min(column), max(column)) for column in zip(*rows, strict=True)]
                inside = [low <= value <= high for (low, high), value in zip(spans, (blob, record), strict=False)]
                assert may[number] == (bool(rows) and all(inside))
                if rows:
                    read = read_row_group(url, number)
                    assert list(zip(read["blob"].tolist(), read["record"].tolist(), strict=True)) == rows
