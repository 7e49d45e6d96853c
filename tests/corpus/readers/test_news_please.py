import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.drops import Drop
from corpus.errors import DamagedContainerError
from corpus.readers.lines import read_lines
from corpus.readers.news_please import read_news_please, read_news_please_file

# The fields of an article as news-please 1.5 writes them.
ARTICLE: dict[str, object] = {
    "authors": [],
    "date_download": "2017-08-14 09:25:22+00:00",
    "date_modify": None,
    "date_publish": "2017-08-14 09:00:00",
    "description": "In short.",
    "filename": "http%3A%2F%2Fa.b%2Fc.json",
    "image_url": None,
    "language": "en",
    "localpath": None,
    "maintext": "It was day.\nIt was night.",
    "source_domain": "a.b",
    "text": None,
    "title": "What it was — é",
    "title_page": None,
    "title_rss": None,
    "url": "http://a.b/c",
}
TEXT = "What it was — é\n\nIt was day.\nIt was night.".encode()
FACTS = {"url": ["http://a.b/c"], "date": ["2017-08-14T09:25:22Z"], "language": ["en"]}


def without(name: str) -> dict[str, object]:
    return {key: value for key, value in ARTICLE.items() if key != name}


@pytest.mark.parametrize("indent", [None, 4])
def test_an_article_a_file(indent: int | None) -> None:
    raw = json.dumps(ARTICLE, indent=indent).encode()
    (records,) = read_news_please_file([raw[:50], raw[50:]])
    assert (list(records.text), records.facts, records.damage.tolist()) == ([TEXT], FACTS, [0])
    assert (list(records.raw), records.raw_bytes.tolist(), records.offset.tolist()) == ([raw], [len(raw)], [0])


@pytest.mark.parametrize(
    ("article", "text", "damage"),
    [
        (ARTICLE, TEXT, 0),
        (ARTICLE | {"title": None}, b"It was day.\nIt was night.", 0),
        (without("title"), b"It was day.\nIt was night.", 0),
        (ARTICLE | {"maintext": None}, b"", Drop.MISSING_FIELD),
        (without("maintext"), b"", Drop.MISSING_FIELD),
        (ARTICLE | {"maintext": 5}, b"", Drop.WRONG_TYPE),
        (ARTICLE | {"title": ["a"]}, b"", Drop.WRONG_TYPE),
        ([ARTICLE], b"", Drop.BROKEN_JSON),
    ],
)
def test_an_article_a_line(article: object, text: bytes, damage: int) -> None:
    lines = [json.dumps(ARTICLE), "", json.dumps(article), "{", json.dumps(ARTICLE)]
    stream = "\n".join(lines).encode()
    for batch_bytes in (1, 10**6):
        batches = list(read_news_please(read_lines([stream], batch_bytes=batch_bytes)))
        rows = [
            (number, row_text, row_damage)
            for records in batches
            for number, row_text, row_damage in zip(records.number, records.text, records.damage, strict=True)
        ]
        assert rows == [(0, TEXT, 0), (2, text, damage), (3, b"", Drop.BROKEN_JSON), (4, TEXT, 0)]
        skipped = sum(size for records in batches for _, size in records.skipped.values())
        assert sum(int(records.raw_bytes.sum()) for records in batches) + skipped == len(stream)


def test_facts_stand_beside_their_rows_also_where_one_is_damaged() -> None:
    stream = b"\n".join(
        [b"{", json.dumps(ARTICLE | {"maintext": None, "url": 7}).encode(), json.dumps(ARTICLE).encode(), b""]
    )
    (records,) = read_news_please(read_lines([stream]))
    assert records.facts["url"] == ["", "", "http://a.b/c"]
    assert records.facts["date"] == ["", "2017-08-14T09:25:22Z", "2017-08-14T09:25:22Z"]


def test_a_file_cut_short_is_a_damaged_row() -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"maintext": "It'
        raise DamagedContainerError("the file ends", where="here", remedy="fetch it again")

    batches = []
    with pytest.raises(DamagedContainerError):
        batches.extend(read_news_please_file(chunks()))  # what was given before the error is lost to extend()
    reader = read_news_please_file(chunks())
    assert next(reader).damage.tolist() == [Drop.TRUNCATED_RECORD]


def test_half_a_character_is_repaired() -> None:
    (records,) = read_news_please(read_lines([rb'{"maintext": "a\ud800b"}']), until="")
    assert (list(records.text), records.repairs.tolist()) == (["a�b".encode()], [1])


@pytest.mark.parametrize(
    ("date", "until", "verdict"),
    [
        ("2021-09-28 23:59:59+00:00", "2021-09-28T23:59:59Z", Drop.KEPT),
        ("2021-09-28 23:59:59.9", "2021-09-28T23:59:59Z", Drop.KEPT),
        ("2021-09-29 00:00:00+00:00", "2021-09-28T23:59:59Z", "after the cut-off"),
        ("2021-09-29T01:00:00+02:00", "2021-09-28T23:59:59Z", Drop.KEPT),
        ("2021-09-28 20:00:00-05:00", "2021-09-28T23:59:59Z", "after the cut-off"),
        (None, "2021-09-28T23:59:59Z", Drop.MISSING_FIELD),
        ("", "2021-09-28T23:59:59Z", Drop.MISSING_FIELD),
        ("last week", "2021-09-28T23:59:59Z", Drop.WRONG_TYPE),
        (1632873599, "2021-09-28T23:59:59Z", Drop.WRONG_TYPE),
        (0, "2021-09-28T23:59:59Z", Drop.WRONG_TYPE),
        (None, "", Drop.KEPT),
        ("last week", "", Drop.KEPT),
        ("2030-01-01", "", Drop.KEPT),
    ],
)
def test_the_cut_off(date: object, until: str, verdict: Drop | str) -> None:
    raw = json.dumps(ARTICLE | {"date_download": date}).encode()
    for (records,) in (
        read_news_please_file([raw], until=until),
        read_news_please(read_lines([raw]), until=until),
    ):
        found = Drop(records.damage[0]) if len(records) else next(iter(records.skipped))
        assert found == verdict
        assert int(records.raw_bytes.sum()) + sum(size for _, size in records.skipped.values()) == len(raw)


def test_an_article_without_its_date_is_asked_for_it_only_by_a_cut_off() -> None:
    raw = json.dumps(without("date_download")).encode()
    assert [next(read_news_please_file([raw], until=end)).damage[0] for end in ("", "2021-09-28T23:59:59Z")] == [
        Drop.KEPT,
        Drop.MISSING_FIELD,
    ]


moments = st.datetimes(datetime(2021, 9, 28, 20), datetime(2021, 9, 29, 4), timezones=st.just(UTC))


@given(st.lists(moments, max_size=12), st.sampled_from([1, 10**6]))
def test_of_many_lines_those_fetched_in_time_stay(fetched: list[datetime], batch_bytes: int) -> None:
    lines = [json.dumps(ARTICLE | {"date_download": str(moment)}).encode() for moment in fetched]
    stream = b"\n\n".join(lines)
    until = datetime(2021, 9, 28, 23, 59, 59, tzinfo=UTC)
    batches = list(read_news_please(read_lines([stream], batch_bytes=batch_bytes)))
    stays = [n for n, moment in enumerate(fetched) if moment.replace(microsecond=0) <= until]
    assert [number for records in batches for number in records.number.tolist()] == [2 * n for n in stays]
    assert [raw for records in batches for raw in records.raw] == [lines[n] for n in stays]
    skipped = [records.skipped.get("after the cut-off", (0, 0)) for records in batches]
    assert sum(count for count, _ in skipped) == len(fetched) - len(stays)
    held = sum(int(records.raw_bytes.sum()) for records in batches)
    assert held + sum(size for records in batches for _, size in records.skipped.values()) == len(stream)
