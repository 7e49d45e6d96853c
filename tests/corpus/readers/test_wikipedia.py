import builtins
from typing import Any
from xml.sax.saxutils import escape

import pytest

from corpus.drops import Drop
from corpus.errors import RecipeError
from corpus.readers.record import Records
from corpus.readers.wikipedia import MAX_ARTICLE_BYTES, plain_text, read_wikipedia

HEAD = b'<mediawiki version="0.11">\n  <siteinfo><dbname>enwiki</dbname></siteinfo>\n'


def page(title: str, text: str, ns: int = 0, extra: str = "", model: str = "wikitext") -> bytes:
    return (
        f"  <page>\n    <title>{escape(title)}</title>\n    <ns>{ns}</ns>\n    <id>7</id>\n    {extra}\n"
        f"    <revision>\n      <id>8</id>\n      <contributor><username>N</username><id>9</id></contributor>\n"
        f"      <comment>text &amp; more</comment>\n      <model>{model}</model>\n"
        f'      <text bytes="3" xml:space="preserve">{escape(text)}</text>\n    </revision>\n  </page>\n'
    ).encode()


def read(stream: bytes, chunk: int = 2**20, **options: int) -> list[Records]:
    return list(read_wikipedia((stream[at : at + chunk] for at in range(0, len(stream), chunk)), **options))


def rows(batches: list[Records]) -> list[tuple[int, bytes, int]]:
    return [
        row
        for records in batches
        for row in zip(records.number.tolist(), records.text, records.damage.tolist(), strict=True)
    ]


def skipped(batches: list[Records]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for records in batches:
        for label, (count, _) in records.skipped.items():
            counts[label] = counts.get(label, 0) + count
    return counts


@pytest.mark.parametrize("chunk", [1, 37, 2**20])
def test_articles_alone_are_rows(chunk: int) -> None:
    article = page("A & B", "'''A''' is [[c|d]].\n\n==See==\n* e &lt; f")
    stream = HEAD + article
    stream += page("Old", "anything", extra='<redirect title="A" />')
    stream += page("Older", "  #Redirect [[A]]")
    stream += page("Talk:A", "words", ns=1)
    stream += page("A.json", "{}", model="json")
    stream += page("Z", "café") + b"</mediawiki>\n"
    batches = read(stream, chunk)
    assert rows(batches) == [(1, b"A & B\n\nA is d.\n\nSee\n e < f", 0), (6, "Z\n\ncafé".encode(), 0)]
    assert skipped(batches) == {"outside the pages": 1, "redirect": 2, "not an article": 1, "not wikitext": 1}
    raw = [raw for records in batches for raw in records.raw]
    assert raw[0] == article.strip()
    offsets = [offset for records in batches for offset in records.offset.tolist()]
    assert [stream[offset : offset + len(one)] for offset, one in zip(offsets, raw, strict=True)] == raw


def test_a_dump_cut_in_the_middle_keeps_the_rest() -> None:
    stream = HEAD + page("A", "a") + page("B", "b")[:-30]
    assert rows(read(stream)) == [(1, b"A\n\na", 0), (2, b"", Drop.BROKEN_XML)]
    stream = HEAD + page("A", "a")[:-30] + b"\n" + page("B", "b")
    assert rows(read(stream)) == [(1, b"", Drop.BROKEN_XML), (2, b"B\n\nb", 0)]


@pytest.mark.parametrize(
    ("broken", "damage"),
    [
        (page("A", "a").replace(b"<ns>0</ns>", b""), Drop.MISSING_FIELD),
        (page("A", "a").replace(b"</title>", b""), Drop.BROKEN_XML),
        (page("A", "a").replace(b">a</text>", b">&bomb;</text>"), Drop.BROKEN_XML),
        (page("A", "a\x00"), Drop.BROKEN_XML),
        (page("A", "a" * (MAX_ARTICLE_BYTES + 1)), Drop.OVERSIZE_RECORD),
        (page("A", '<b a="' * 50_000), Drop.BROKEN_MARKUP),
    ],
)
def test_a_broken_page_is_one_row(broken: bytes, damage: Drop) -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY bomb "bbbbbbbbbb">]>\n'
    assert rows(read(bomb + HEAD + broken + page("B", "b"))) == [(1, b"", damage), (2, b"B\n\nb", 0)]


def test_a_page_over_the_limit_is_passed_over() -> None:
    stream = HEAD + page("A", "a" * 2000) + page("B", "b")
    assert rows(read(stream, max_record_bytes=1000)) == [(1, b"", Drop.OVERSIZE_RECORD), (2, b"B\n\nb", 0)]


def test_what_is_not_utf8_is_repaired_and_counted() -> None:
    batches = read(page("A", "cafe").replace(b"cafe", b"caf\xe9"))
    assert rows(batches) == [(0, "A\n\ncaf\ufffd".encode(), 0)]
    assert [count for records in batches for count in records.repairs.tolist()] == [1]


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("a[[File:b.png|thumb|c [[d]]]]e", "ae"),
        ('a<ref name="b">c</ref>d<ref name=e />', "ad"),
        ("a\n{| class=b\n| c\n|}\nd", "a\n\nd"),
        ("{{Infobox|a=b}}c {{convert|1|km}} d<!-- e -->", "c  d"),
        ("[http://a.b c] http://d.e [http://f.g]", "c http://d.e"),
        ("''a'' <small>b</small> &nbsp;&Sigma;", "a b \xa0\u03a3"),
        ("a\n\n\n\n\nb", "a\n\nb"),
        ("a\n==b==\n\n\n===c===\nd", "a\n\nb\n\nc\nd"),
        ("", ""),
    ],
)
def test_wikitext_as_it_shows(wikitext: str, text: str) -> None:
    assert plain_text(wikitext) == text


@pytest.mark.parametrize(
    "opening", ['<b a="', "<b>", "{|\n", "{{a|", "[[a|", "[http://a ", "<!--", "[//a <b {{c|[[d|"]
)
def test_what_never_ends_does_not_take_for_ever(opening: str) -> None:
    assert plain_text(opening * 100) == plain_text(opening * 20_000) == Drop.BROKEN_MARKUP


def test_half_open_intervals_are_no_openings() -> None:
    assert plain_text("[0, 1) " * 200) == ("[0, 1) " * 200).strip()


def test_a_missing_library_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("mwparserfromhell"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(RecipeError, match="not installed"):
        read_wikipedia([])
