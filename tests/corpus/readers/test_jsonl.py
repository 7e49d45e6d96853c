import json

import pytest

from corpus.drops import Drop
from corpus.errors import RecipeError
from corpus.readers.jsonl import read_jsonl
from corpus.readers.lines import read_lines
from corpus.readers.record import Records


def read(stream: bytes, text_field: str = "text", label_field: str | None = None) -> Records:
    (records,) = read_jsonl(read_lines([stream]), text_field, label_field)
    return records


def test_text_and_nothing_else() -> None:
    records = read(b'{"text": "one"}\n\n{"id": 2, "text": "zwei \\u00fc"}\n')
    assert list(records.text) == [b"one", "zwei ü".encode()]
    assert list(records.raw) == [b'{"text": "one"}', b'{"id": 2, "text": "zwei \\u00fc"}']
    assert records.label == ["", ""]
    assert records.number.tolist() == [0, 2]
    assert records.offset.tolist() == [0, 17]
    assert records.raw_bytes.tolist() == [16, 33]
    assert records.skipped == {"blank line": (1, 1)}


def test_dots_lead_into_nested_objects() -> None:
    stream = b'{"document": {"body": "b"}, "meta": {"from": {"name": "n"}}}\n{"document": {"body": "c"}}\n'
    records = read(stream, "document.body", "meta.from.name")
    assert list(records.text) == [b"b", b""]
    assert records.label == ["n", ""]
    assert records.damage.tolist() == [0, Drop.MISSING_FIELD]


@pytest.mark.parametrize(
    ("line", "damage"),
    [
        (b'{"text": "t"', Drop.BROKEN_JSON),
        (b'["text"]', Drop.BROKEN_JSON),
        (b'{"body": "t"}', Drop.MISSING_FIELD),
        (b'{"text": null}', Drop.WRONG_TYPE),
        (b'{"text": ["t"]}', Drop.WRONG_TYPE),
        (b'{"text": "' + b"t" * 200 + b'"}', Drop.OVERSIZE_RECORD),
    ],
)
def test_every_damage_is_a_row(line: bytes, damage: Drop) -> None:
    (records,) = read_jsonl(read_lines([b'{"text": "a"}\n' + line + b'\n{"text": "b"}\n'], max_record_bytes=100))
    assert records.damage.tolist() == [0, damage, 0]
    assert list(records.text) == [b"a", b"", b"b"]
    assert records.raw_bytes.tolist() == [14, len(line) + 1, 14]


def test_repairs_are_counted_by_row() -> None:
    records = read(b'{"text": "caf\xe9"}\n{"text": "sound"}\n{"text": "\\ud800\\ud800", "label": "\\udc00"}\n')
    assert list(records.text) == ["caf\ufffd".encode(), b"sound", "\ufffd\ufffd".encode()]
    assert records.repairs.tolist() == [1, 0, 3]


@pytest.mark.parametrize("field", ["", ".", "text.", ".text", "a..b"])
def test_a_field_without_a_name_is_refused_at_once(field: str) -> None:
    with pytest.raises(RecipeError):
        read_jsonl(iter([]), field)
    with pytest.raises(RecipeError):
        read_jsonl(iter([]), "text", field)


def test_facts_are_taken_from_where_they_stand() -> None:
    lines = [
        {"text": "a", "meta": {"url": "http://a/", "at": "2020-02-03 04:05:06+01:00", "licence": "CC0-1.0"}},
        {"text": "b", "meta": {"url": 7, "at": "last week"}},
        {"text": "c"},
        {"text": 4, "meta": {"url": "http://d/"}},
    ]
    stream = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    fields = {"url": "meta.url", "date": "meta.at", "licence": "meta.licence"}
    (records,) = read_jsonl(read_lines([stream]), facts=fields)  # type: ignore[arg-type]
    assert records.facts == {
        "url": ["http://a/", "", "", ""],
        "date": ["2020-02-03T03:05:06Z", "", "", ""],
        "licence": ["CC0-1.0", "", "", ""],
    }
    assert records.damage.tolist() == [0, 0, 0, Drop.WRONG_TYPE]
