"""One file from a real server: whole, right and under its name, or not there at all."""

from __future__ import annotations

import hashlib
import random
import time as real_time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from web_server import Fault, Time, WebServer, asking, serving

from corpus.errors import FetchError
from corpus.source_catalogue import FileAt
from pipelines.mirror.client import PIECE, Client
from pipelines.mirror.download import Begun, download

BODY = random.Random(1).randbytes(5 * PIECE + 17)
OTHER = random.Random(2).randbytes(5 * PIECE + 17)
MODIFIED = "Wed, 01 Sep 2021 00:00:00 GMT"


@pytest.fixture
def server() -> Iterator[WebServer]:
    with serving() as server:
        yield server


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def client(time: Time) -> Iterator[Client]:
    with asking(time) as (client, _):
        yield client


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def begun(folder: Path, data: bytes, note: Begun) -> None:
    """A part that an earlier, killed process left."""
    (folder / ".x.part").write_bytes(data)
    (folder / ".x.part.json").write_bytes(msgspec.json.encode(note))


def at(server: WebServer, path: str = "x", size: int = 0, digest: str = "") -> FileAt:
    return FileAt(url=server.url(path), path="x", size=size, sha256=digest)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fetched(server: WebServer, folder: Path, client: Client, **expected: object) -> bytes:
    """What lies under the name, and nothing beside it."""
    told = download(at(server, **expected), folder / "x", client)  # type: ignore[arg-type]
    assert names(folder) == ["x"]
    data = (folder / "x").read_bytes()
    assert (told.size, told.sha256) == (len(data), sha256(data))
    return data


@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("body", [BODY, b"", b"x"], ids=["long", "empty", "one"])
def test_a_whole_file(server: WebServer, tmp_path: Path, client: Client, body: bytes, framing: str) -> None:
    server.put("x", body, framing=framing)
    assert fetched(server, tmp_path, client, size=len(body), digest=sha256(body)) == body
    assert server.ranges() == [""]


def test_a_file_that_is_called_compressed_is_kept_as_it_is(
    server: WebServer, tmp_path: Path, client: Client
) -> None:
    server.put("x", BODY, extra=(("Content-Encoding", "gzip"),))
    assert fetched(server, tmp_path, client) == BODY


def test_a_broken_connection_is_gone_on_with(server: WebServer, tmp_path: Path, time: Time) -> None:
    cuts = [2 * PIECE, PIECE, 7]  # of each answer's own body
    server.put("x", BODY, faults=[Fault(after=cut) for cut in cuts])
    with asking(time) as (client, said):
        assert fetched(server, tmp_path, client) == BODY
    assert server.ranges() == ["", *(f"bytes={sum(cuts[:n])}-" for n in (1, 2, 3))]
    assert [asked.if_range for asked in server.asked] == ["", '"1"', '"1"', '"1"']
    assert [line.partition(": ")[2] for line in said[1::2]] == [
        f"going on from {sum(cuts[:n]) / 1000:.1f} kB" for n in (1, 2, 3)
    ]
    assert time.slept == [0, 0, 0]  # every attempt gained something: patience is as at first


def test_patience_ends_and_what_came_is_kept(server: WebServer, tmp_path: Path, time: Time) -> None:
    server.put("x", BODY, faults=[Fault(after=PIECE), *[Fault(after=0)] * 5])
    with asking(time) as (client, _), pytest.raises(FetchError, match="gave up after 6 attempts") as caught:
        download(at(server), tmp_path / "x", client)
    assert "goes on from there" in caught.value.remedy
    assert time.slept == [0, 2, 4, 8, 16]
    assert names(tmp_path) == [".x.part", ".x.part.json"]
    assert (tmp_path / ".x.part").read_bytes() == BODY[:PIECE]
    with asking(time) as (client, _):
        assert fetched(server, tmp_path, client) == BODY
    assert server.ranges()[-1] == f"bytes={PIECE}-"


def test_nobody_listens(tmp_path: Path, time: Time) -> None:
    with serving() as gone:
        file = at(gone)
    with asking(time) as (client, _), pytest.raises(FetchError, match="Connection refused; gave up after 6"):
        download(file, tmp_path / "x", client)
    assert time.slept == [0, 2, 4, 8, 16]
    assert names(tmp_path) == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_says_when_to_come_again(
    server: WebServer, tmp_path: Path, time: Time, client: Client, status: int
) -> None:
    server.put("x", BODY, faults=[Fault(status, (("Retry-After", "37"),)), Fault(status)])
    assert fetched(server, tmp_path, client) == BODY
    assert time.slept == [37, 2]


def test_a_server_says_when_to_come_again_as_a_date(
    server: WebServer, tmp_path: Path, time: Time, client: Client
) -> None:
    date = formatdate(real_time.time() + 10_000, usegmt=True)
    server.put("x", BODY, faults=[Fault(503, (("Retry-After", date),))])
    assert fetched(server, tmp_path, client) == BODY
    (slept,) = time.slept
    assert 5_000 < slept <= 10_000


def test_a_server_says_nonsense_of_when_to_come_again(
    server: WebServer, tmp_path: Path, time: Time, client: Client
) -> None:
    server.put("x", BODY, faults=[Fault(503), Fault(503, (("Retry-After", "soon"),))])
    assert fetched(server, tmp_path, client) == BODY
    assert time.slept == [0, 2]


@pytest.mark.parametrize("status", [401, 403, 404, 410, 451, 501])
def test_what_is_not_there_is_said_once(server: WebServer, tmp_path: Path, client: Client, status: int) -> None:
    server.put("x", BODY, faults=[Fault(status)])
    with pytest.raises(FetchError, match=str(status)):
        download(at(server), tmp_path / "x", client)
    assert len(server.asked) == 1
    assert names(tmp_path) == []


def test_a_file_that_moved_is_gone_on_with_where_it_is(server: WebServer, tmp_path: Path, client: Client) -> None:
    moved = Fault(302, (("Location", "/new"),))
    server.put("x", b"", faults=[moved, moved])
    server.put("new", BODY, faults=[Fault(after=PIECE)])
    assert fetched(server, tmp_path, client) == BODY
    assert [(asked.path, asked.range, asked.if_range) for asked in server.asked] == [
        ("x", "", ""),
        ("new", "", ""),
        ("x", f"bytes={PIECE}-", '"1"'),
        ("new", f"bytes={PIECE}-", '"1"'),
    ]


def test_a_server_without_ranges_gives_all_of_it_again(server: WebServer, tmp_path: Path, client: Client) -> None:
    server.put("x", BODY, ranges=False, faults=[Fault(after=2 * PIECE)])
    assert fetched(server, tmp_path, client) == BODY
    assert server.ranges() == ["", f"bytes={2 * PIECE}-"]


def test_a_changed_file_is_begun_again(server: WebServer, tmp_path: Path, client: Client) -> None:
    server.put("x", BODY, faults=[Fault(after=2 * PIECE)], versions=[(OTHER, '"2"', "")])
    assert fetched(server, tmp_path, client) == OTHER
    assert server.asked[1].if_range == '"1"'


def test_a_file_that_became_shorter_is_begun_again(server: WebServer, tmp_path: Path, client: Client) -> None:
    begun(tmp_path, BODY[: 2 * PIECE], Begun(server.url("x"), "", len(BODY)))
    server.put("x", b"short", etag="")
    assert fetched(server, tmp_path, client, digest=sha256(b"short")) == b"short"
    assert server.ranges() == [f"bytes={2 * PIECE}-", ""]


@pytest.mark.parametrize("told", ["bytes 5-9/10", "bytes 100-1/9", "", "bytes */7"])
def test_another_range_than_was_said_is_not_appended(
    server: WebServer, tmp_path: Path, client: Client, told: str
) -> None:
    server.put("x", BODY, faults=[Fault(after=PIECE), Fault(content_range=told or "nonsense")])
    assert fetched(server, tmp_path, client) == BODY
    assert server.ranges() == ["", f"bytes={PIECE}-", ""]


@pytest.mark.parametrize(
    ("etag", "modified", "if_range"),
    [('W/"1"', MODIFIED, MODIFIED), ("", MODIFIED, MODIFIED), ('"1"', MODIFIED, '"1"')],
)
def test_the_strongest_validator_is_asked_with(
    server: WebServer, tmp_path: Path, client: Client, etag: str, modified: str, if_range: str
) -> None:
    server.put("x", BODY, etag=etag, modified=modified, faults=[Fault(after=PIECE)])
    assert fetched(server, tmp_path, client) == BODY
    assert [(asked.range, asked.if_range) for asked in server.asked] == [("", ""), (f"bytes={PIECE}-", if_range)]


@pytest.mark.parametrize("etag", ["", 'W/"1"'])
def test_nothing_is_gone_on_with_where_nobody_could_tell_a_change(
    server: WebServer, tmp_path: Path, client: Client, etag: str
) -> None:
    server.put("x", BODY, etag=etag, faults=[Fault(after=PIECE)], versions=[(OTHER, etag, "")])
    assert fetched(server, tmp_path, client) == OTHER
    assert server.ranges() == ["", ""]


def test_a_pin_vouches_for_the_whole(server: WebServer, tmp_path: Path, client: Client) -> None:
    server.put("x", BODY, etag="", faults=[Fault(after=PIECE)])
    assert fetched(server, tmp_path, client, digest=sha256(BODY)) == BODY
    assert server.ranges() == ["", f"bytes={PIECE}-"]


def test_a_part_of_another_url_is_not_gone_on_with(server: WebServer, tmp_path: Path, client: Client) -> None:
    begun(tmp_path, OTHER[:PIECE], Begun(server.url("elsewhere"), '"1"', len(BODY)))
    server.put("x", BODY)
    assert fetched(server, tmp_path, client) == BODY
    assert server.ranges() == [""]


@pytest.mark.parametrize("note", [b"", b'{"url": "http', b"[]"])
def test_a_note_cut_off_by_a_kill_begins_again(
    server: WebServer, tmp_path: Path, client: Client, note: bytes
) -> None:
    begun(tmp_path, BODY[:PIECE], Begun(server.url("x"), '"1"', len(BODY)))
    (tmp_path / ".x.part.json").write_bytes(note)
    server.put("x", BODY)
    assert fetched(server, tmp_path, client) == BODY
    assert server.ranges() == [""]


def test_a_kill_between_the_last_byte_and_the_name(server: WebServer, tmp_path: Path, client: Client) -> None:
    begun(tmp_path, BODY, Begun(server.url("x"), '"1"', len(BODY)))
    assert fetched(server, tmp_path, client) == BODY
    assert server.asked == []


def test_of_another_sha256_nothing_is_kept(server: WebServer, tmp_path: Path, client: Client) -> None:
    server.put("x", BODY)
    with pytest.raises(FetchError, match=f"sha256 {sha256(BODY)}, not {sha256(OTHER)}"):
        download(at(server, digest=sha256(OTHER)), tmp_path / "x", client)
    assert names(tmp_path) == []


@pytest.mark.parametrize(("framing", "said"), [("length", " there"), ("chunks", "")])
def test_of_another_size_nothing_is_kept(
    server: WebServer, tmp_path: Path, client: Client, framing: str, said: str
) -> None:
    server.put("x", BODY, framing=framing)
    with pytest.raises(FetchError, match=f"{len(BODY):,} bytes{said}, not 12"):
        download(at(server, size=12), tmp_path / "x", client)
    assert names(tmp_path) == []


def test_a_part_of_what_was_pinned_anew_is_begun_again(server: WebServer, tmp_path: Path, client: Client) -> None:
    begun(tmp_path, OTHER[:PIECE], Begun(server.url("x"), '"1"', len(OTHER) + 1))
    server.put("x", BODY)
    assert fetched(server, tmp_path, client, size=len(BODY)) == BODY
    assert server.ranges() == [""]


def test_a_length_that_nobody_knows_is_not_believed(server: WebServer, tmp_path: Path, client: Client) -> None:
    server.put("x", BODY, framing="close")
    with pytest.raises(FetchError, match="does not say how long"):
        download(at(server), tmp_path / "x", client)
    assert names(tmp_path) == []
    assert fetched(server, tmp_path, client, digest=sha256(BODY)) == BODY


def test_chunks_that_end_early_come_again(server: WebServer, tmp_path: Path, client: Client) -> None:
    server.put("x", BODY, framing="chunks", faults=[Fault(after=2 * PIECE)])
    assert fetched(server, tmp_path, client) == BODY
    assert server.ranges() == ["", ""]


@settings(max_examples=60)
@given(
    cuts=st.lists(st.integers(0, len(BODY)) | st.none(), max_size=4),
    change=st.integers(0, 4),
    ranges=st.booleans(),
    etag=st.sampled_from(["", 'W/"1"', '"1"']),
    modified=st.sampled_from(["", MODIFIED]),
    framing=st.sampled_from(["length", "chunks"]),
    left=st.integers(0, len(BODY)),
)
def test_whatever_breaks_the_file_is_one_of_the_servers(
    tmp_path_factory: pytest.TempPathFactory,
    cuts: list[int | None],
    change: int,
    ranges: bool,
    etag: str,
    modified: str,
    framing: str,
    left: int,
) -> None:
    folder = tmp_path_factory.mktemp("x")
    with serving() as server, asking(Time()) as (client, _):
        begun(folder, BODY[:left], Begun(server.url("x"), etag if etag.startswith('"') else "", len(BODY)))
        page = server.put("x", BODY, etag=etag, modified=modified, ranges=ranges, framing=framing)
        page.faults = [None if cut is None else Fault(after=cut) for cut in cuts]
        page.versions = [(BODY, etag, modified)] * change
        page.versions.append((OTHER, etag.replace("1", "2"), modified.replace("2021", "2022")))
        assert fetched(server, folder, client) in (BODY, OTHER)
