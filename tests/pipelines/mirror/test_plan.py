"""Which files there are to fetch: catalogue, lists from a real server, pins."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_server import Fault, Time, WebServer, asking, serving

from corpus.errors import RecipeError
from corpus.recipe import Input, Recipe, Source
from corpus.source import PINS_SCHEMA, Blob, Pins
from corpus.source_catalogue import Catalogue, Entry, Figure, FileAt, ListAt, Paper
from pipelines.mirror.plan import LIST_BYTES, SourcePlan, chosen, plan

PAPER = Paper(text_bytes=Figure(value=1, source="here"), tokens=Figure(value=1, source="here"))


@pytest.fixture
def server() -> Iterator[WebServer]:
    with serving() as server:
        yield server


def entry(name: str, **known: object) -> Entry:
    return Entry(**{"name": name, "title": name, "what": "", "holder": "", "status": "public", **known})


def planned(*entries: Entry, pins: Pins | None = None, collections: tuple[Entry, ...] = ()) -> list[SourcePlan]:
    catalogue = Catalogue(paper=PAPER, source=entries, collection=collections)
    with asking(Time()) as (client, _):
        return plan([Source(name=e.name, title=e.title) for e in entries], catalogue, pins, client)


def listed(server: WebServer, data: bytes, folder: str = "below") -> SourcePlan:
    server.put("list", data)
    at = ListAt(url=server.url("list"), prefix="http://far/", folder=folder)
    (only,) = planned(entry("it", list=(at,)))
    return only


@pytest.mark.parametrize("packed", [False, True])
def test_a_list_of_files(server: WebServer, packed: bool) -> None:
    text = b"# paths\ncrawl/a.gz\r\n\n  crawl/\xc3\xa9 b.gz\n"
    got = listed(server, gzip.compress(text) if packed else text)
    assert [(file.url, file.path) for file in got.files] == [
        ("http://far/crawl/a.gz", "below/crawl/a.gz"),
        ("http://far/crawl/é b.gz", "below/crawl/é b.gz"),
    ]
    assert got.line() == "it: 2 files, of unknown size"


@pytest.mark.parametrize(
    "line", ["../x", "a/../../x", "/etc/passwd", "..", ".mirror.jsonl", "a/.x.part", "a/./x", "\x1b[2Jx", "a\0b"]
)
def test_a_list_that_names_what_is_not_its_own_is_refused_whole(server: WebServer, line: str) -> None:
    got = listed(server, f"good\n{line}\n".encode())
    assert got.files == ()
    (error,) = got.failed
    assert "outside its folder" in error.what
    assert repr(line) in error.what
    assert "\x1b" not in str(error)


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_no_list_reaches_beyond_its_folder(text: str) -> None:
    with serving() as server:
        for file in listed(server, text.encode()).files:
            parts = PurePosixPath(file.path).parts
            assert parts[0] == "below"
            assert not {part for part in parts if part.startswith(".")}
            assert not PurePosixPath(file.path).is_absolute()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (gzip.compress(b"a\n" * 1000)[:-9], "cannot be read"),
        (b"\x1f\x8bnot gzip", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (gzip.compress(bytes(LIST_BYTES + 1), 1), "longer than 67.1 MB"),
        (b"x" * (LIST_BYTES + 1), "longer than 67.1 MB"),
    ],
    ids=["cut", "no gzip", "no utf-8", "unpacks to too much", "too much"],
)
def test_a_list_that_is_none(server: WebServer, data: bytes, what: str) -> None:
    got = listed(server, data)
    assert what in got.failed[0].what
    assert got.line() == "it: 0 files, 0 B; of its lists 1 could not be read"


def test_a_list_whose_connection_breaks_comes_again(server: WebServer) -> None:
    page = server.put("list", b"a\nb\n")
    page.faults = [Fault(after=2), Fault(503)]
    at = ListAt(url=server.url("list"), prefix="http://far/", folder="f")
    (got,) = planned(entry("it", list=(at,)))
    assert [file.path for file in got.files] == ["f/a", "f/b"]


def test_the_list_of_a_month_that_is_missing_leaves_the_others(server: WebServer) -> None:
    for month in ("2020-12", "2021-02"):
        server.put(f"{month}/list", f"{month}.gz\n".encode())
    at = ListAt(
        url=server.url("{year}-{month}/list"), prefix="h/", folder="f", first_month="2020-12", last_month="2021-02"
    )
    (got,) = planned(entry("it", file=(FileAt(url="http://far/x", path="x", size=2_000),), list=(at,)))
    assert [file.path for file in got.files] == ["x", "f/2020-12.gz", "f/2021-02.gz"]
    assert [error.where for error in got.failed] == [server.url("2021-01/list")]
    assert got.line() == "it: 3 files, 2.0 kB and 2 of unknown size; of its lists 1 could not be read"


def test_what_the_lock_pins_is_expected() -> None:
    file = FileAt(url="http://far/x", path="f/x", size=1, sha256="0" * 64)
    other = FileAt(url="http://far/y", path="f/y", size=7)
    pins = Pins(PINS_SCHEMA, "r", (Blob("i", "f/x", 5, "a" * 64), Blob("i", "f/z", 9, "b" * 64)))
    (got,) = planned(entry("it", file=(file, other)), pins=pins)
    assert [(f.path, f.size, f.sha256) for f in got.files] == [("f/x", 5, "a" * 64), ("f/y", 7, "")]


def test_the_files_of_a_collection_are_fetched_once() -> None:
    dump = entry("dump", file=(FileAt(url="http://far/x", path="x", size=3),))
    one, two = planned(entry("one", part_of="dump"), entry("two", part_of="dump"), collections=(dump,))
    assert [file.path for file in one.files] == ["x"]
    assert two.files == ()
    assert two.line() == "two: in the files of the sources above"


def test_what_cannot_be_had_says_why() -> None:
    file = FileAt(url="http://far/x", path="x")
    lines = [
        each.line()
        for each in planned(
            entry(
                "pile", status="withdrawn", since="2023-08", why="a notice", substitute=("lawful",), file=(file,)
            ),
            entry("stories", status="never-published"),
            entry("asked", status="on-request", why="write to them"),
            entry("byhand", at="https://there"),
            entry("lawful", file=(file,)),
        )
    ]
    assert lines == [
        "pile: cannot be fetched: withdrawn since 2023-08: a notice; name in its place: lawful",
        "stories: cannot be fetched: never published",
        "asked: cannot be fetched: on request: write to them",
        "byhand: cannot be fetched: it is public, and had by hand: https://there",
        "lawful: 1 file, of unknown size",
    ]


def test_a_source_that_only_shares_a_name_is_not_known() -> None:
    catalogue = Catalogue(paper=PAPER, source=(entry("it", file=(FileAt(url="http://far/x", path="x"),)),))
    with asking(Time()) as (client, _):
        (got,) = plan([Source(name="it", title="another")], catalogue, None, client)
    assert got.line() == "it: cannot be fetched: the catalogue does not know it"


def test_a_source_is_chosen_by_name() -> None:
    names = ("books", "news", "web")
    read = Input(name="i", reader="pile", files=("*",), sources={name: name for name in names})
    recipe = Recipe(name="r", version="1", input=(read,), source=tuple(Source(name=name) for name in names))
    assert [source.name for source in chosen(recipe, ())] == ["books", "news", "web"]
    assert [source.name for source in chosen(recipe, ["web", "books"])] == ["books", "web"]
    with pytest.raises(RecipeError, match="no source `new`") as caught:
        chosen(recipe, ["web", "new"])
    assert caught.value.remedy == "choose one of: news"
