import json

import pytest

from corpus.drops import Drop
from corpus.readers.lines import read_lines
from corpus.readers.pile import PILE_SETS, read_pile


def line(text: object, meta: object) -> bytes:
    return json.dumps({"text": text, "meta": meta}).encode() + b"\n"


def test_there_are_22_sets() -> None:
    assert len(set(PILE_SETS)) == len(PILE_SETS) == 22


def test_every_set_is_read() -> None:
    stream = b"".join(line(f"text of {name} é", {"pile_set_name": name}) for name in PILE_SETS)
    (records,) = read_pile(read_lines([stream]))
    assert records.label == list(PILE_SETS)
    assert list(records.text) == [f"text of {name} é".encode() for name in PILE_SETS]
    assert not records.damage.any()


def test_meta_may_be_a_string_of_json() -> None:
    stream = line("t", json.dumps({"pile_set_name": "ArXiv"}))
    (records,) = read_pile(read_lines([stream]))
    assert (records.label, list(records.text), records.damage.tolist()) == (["ArXiv"], [b"t"], [0])


@pytest.mark.parametrize(
    ("record", "damage", "label"),
    [
        (b'{"text": "t"}\n', Drop.MISSING_FIELD, ""),
        (line("t", {}), Drop.MISSING_FIELD, ""),
        (line("t", "{}"), Drop.MISSING_FIELD, ""),
        (line("t", None), Drop.WRONG_TYPE, ""),
        (line("t", ["ArXiv"]), Drop.WRONG_TYPE, ""),
        (line("t", "ArXiv"), Drop.WRONG_TYPE, ""),
        (line("t", {"pile_set_name": 3}), Drop.WRONG_TYPE, ""),
        (line("t", {"pile_set_name": "USPTO"}), Drop.UNKNOWN_SET, "USPTO"),
        (line("t", {"pile_set_name": "arxiv"}), Drop.UNKNOWN_SET, "arxiv"),
        (line(None, {"pile_set_name": "ArXiv"}), Drop.WRONG_TYPE, "ArXiv"),
        (b'{"meta": {"pile_set_name": "ArXiv"}}\n', Drop.MISSING_FIELD, "ArXiv"),
        (b"{}\n", Drop.MISSING_FIELD, ""),
        (b'{"text": "t", "meta": \n', Drop.BROKEN_JSON, ""),
    ],
)
def test_every_damage_is_a_row(record: bytes, damage: Drop, label: str) -> None:
    (records,) = read_pile(read_lines([record + line("sound", {"pile_set_name": "Github"})]))
    assert records.damage.tolist() == [damage, 0]
    assert records.label == [label, "Github"]
    assert list(records.text) == [b"", b"sound"]
    assert records.raw[0] == record[:-1]
