import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.drops import Drop
from corpus.errors import DamagedContainerError, RecipeError, TokentrailError
from corpus.readers.parquet import read_parquet
from corpus.readers.record import Records

LAYOUTS = {
    "string": pa.string(),
    "large_string": pa.large_string(),
    "string_view": pa.string_view(),
    "binary": pa.binary(),
    "large_binary": pa.large_binary(),
    "binary_view": pa.binary_view(),
    "dictionary": pa.dictionary(pa.int32(), pa.string()),
}


def write(columns: dict[str, pa.Array], row_group_size: int = 4) -> bytes:
    file = io.BytesIO()
    plain = {"use_dictionary": False, "compression": "none", "write_page_checksum": True}
    pq.write_table(pa.table(columns), file, row_group_size=row_group_size, **plain)
    return file.getvalue()


def rows(batches: list[Records]) -> list[tuple[int, int, bytes, int, str, bytes, int, int]]:
    return [
        row
        for records in batches
        for row in zip(
            *(records.number.tolist(), records.offset.tolist(), records.raw, records.raw_bytes.tolist()),
            *(records.label, records.text, records.damage.tolist(), records.repairs.tolist()),
            strict=True,
        )
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_text(layout: str) -> None:
    texts = pa.array(["one", None, "", "zwei ü", "one", "three"]).cast(LAYOUTS[layout])
    labels = pa.array(["a", "b", None, "c", "c", "d"]).cast(LAYOUTS[layout])
    data = write({"id": pa.array(range(6)), "text": texts, "label": labels})
    assert rows(list(read_parquet(io.BytesIO(data), "x.parquet", label_column="label"))) == [
        (0, 0, b"one", 3, "a", b"one", 0, 0),
        (1, 3, b"", 0, "b", b"", Drop.MISSING_FIELD, 0),
        (2, 3, b"", 0, "", b"", Drop.MISSING_FIELD, 0),
        (3, 3, "zwei ü".encode(), 7, "c", "zwei ü".encode(), 0, 0),
        (4, 10, b"one", 3, "c", b"one", 0, 0),
        (5, 13, b"three", 5, "d", b"three", 0, 0),
    ]


def test_what_is_not_utf8_is_repaired_and_what_is_too_long_passed_over() -> None:
    data = write({"body": pa.array([b"caf\xe9", b"x" * 11, b"x" * 10])})
    assert rows(list(read_parquet(io.BytesIO(data), "x.parquet", "body", max_record_bytes=10))) == [
        (0, 0, b"caf\xe9", 4, "", "caf\ufffd".encode(), 0, 1),
        (1, 4, b"", 11, "", b"", Drop.OVERSIZE_RECORD, 0),
        (2, 15, b"x" * 10, 10, "", b"x" * 10, 0, 0),
    ]


@given(
    st.lists(st.none() | st.binary(max_size=20), max_size=30),
    st.integers(1, 8),
    st.integers(1, 200),
    st.integers(0, 20),
)
def test_rows_do_not_depend_on_batches(
    texts: list[bytes | None], row_group_size: int, batch_bytes: int, limit: int
) -> None:
    data = write({"text": pa.array(texts, pa.binary())}, row_group_size)
    cut = rows(list(read_parquet(io.BytesIO(data), "x", max_record_bytes=limit, batch_bytes=batch_bytes)))
    in_one = write({"text": pa.array(texts, pa.binary())}, 100)
    assert cut == rows(list(read_parquet(io.BytesIO(in_one), "x", max_record_bytes=limit)))
    stream = b"".join(text or b"" for text in texts)
    assert sum(row[3] for row in cut) == len(stream)
    for (number, offset, raw, raw_bytes, _, text, damage, repairs), written in zip(cut, texts, strict=True):
        assert stream[offset : offset + raw_bytes] == (written or b"")
        assert raw == (b"" if damage else written)
        assert text == (b"" if damage else raw.decode(errors="replace").encode())
        assert repairs <= text.count("\ufffd".encode())
        expected = Drop.MISSING_FIELD if written is None else Drop.OVERSIZE_RECORD if raw_bytes > limit else 0
        assert (damage, texts[number]) == (expected, written)


def test_batches_are_bounded() -> None:
    texts = pa.array(["x" * 1000] * 50 + ["short"] * 5000)
    batches = list(read_parquet(io.BytesIO(write({"text": texts}, 50)), "x", batch_bytes=4000))
    assert max(len(records.text.data) for records in batches) <= 4000
    assert sum(map(len, batches)) == 5050


@pytest.mark.parametrize("column", ["body", "id", "nested"])
def test_a_wrong_column_names_those_there_are(column: str) -> None:
    data = write({"id": pa.array([1]), "text": pa.array(["a"]), "nested": pa.array([{"text": "a"}])})
    with pytest.raises(RecipeError) as raised:
        next(read_parquet(io.BytesIO(data), "x.parquet", column))
    assert "id (int64), text (string), nested (struct<text: string>)" in raised.value.remedy
    with pytest.raises(RecipeError):
        next(read_parquet(io.BytesIO(data), "x.parquet", "text", column))


def test_a_damaged_file_never_passes_for_a_whole_one() -> None:
    data = write({"text": pa.array([f"text {n}" * n for n in range(10)])})
    whole = rows(list(read_parquet(io.BytesIO(data), "x")))
    for cut in range(0, len(data), 5):
        with pytest.raises(DamagedContainerError):
            list(read_parquet(io.BytesIO(data[:cut]), "x"))
    for position in range(len(data) - 8):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        try:
            assert [row[5] for row in rows(list(read_parquet(io.BytesIO(flipped), "x")))] == [
                row[5] for row in whole
            ]
        except TokentrailError:
            continue


def test_rows_before_the_damage_are_given() -> None:
    data = bytearray(write({"text": pa.array([f"text {n}" for n in range(8)])}))
    at = bytes(data).rindex(b"text 6")
    data[at] ^= 1
    reader = read_parquet(io.BytesIO(data), "x.parquet")
    assert list(next(reader).text) == [b"text 0", b"text 1", b"text 2", b"text 3"]
    with pytest.raises(DamagedContainerError, match="after row 4"):
        next(reader)
