"""`build_corpus.py sources --mirror` as a person runs it: real processes, a real server, real kills."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from web_server import Fault, WebServer, serving

from corpus.recipe import load_recipe
from corpus.source import find_blobs
from pipelines.mirror.client import PIECE

ROOT = Path(__file__).resolve().parents[3]
BOOKS = random.Random(3).randbytes(7 * PIECE + 11)
NEWS = {f"crawl/{day}.gz": gzip.compress(f"news of day {day}".encode() * 50, mtime=0) for day in (1, 2)}
RECIPE = """
name = "own"
version = "1"
[[input]]
name = "own"
reader = "text"
files = ["**/*"]
sources = { a = "books", b = "news", c = "stories" }
[[source]]
name = "books"
title = "Books"
[[source]]
name = "news"
title = "News"
[[source]]
name = "stories"
title = "Stories"
"""
CATALOGUE = """
[paper]
text_bytes = {{ value = 1, source = "here" }}
tokens = {{ value = 1, source = "here" }}
[[source]]
name = "books"
title = "Books"
what = "Books"
holder = "their authors"
status = "public"
[[source.file]]
url = "{url}books.tar"
path = "books/books.tar"
[[source]]
name = "news"
title = "News"
what = "News"
holder = "their papers"
status = "public"
[[source.list]]
url = "{url}paths.gz"
prefix = "{url}"
folder = "news"
[[source]]
name = "stories"
title = "Stories"
what = "Stories"
holder = "nobody"
status = "never-published"
since = "2018"
"""


class Mirror:
    """A server, a recipe, a catalogue and a folder; and the command over them."""

    def __init__(self, server: WebServer, folder: Path) -> None:
        self.server, self.folder, self.out = server, folder, folder / "data"
        self.books = server.put("books.tar", BOOKS)
        for path, data in NEWS.items():
            server.put(path, data, etag="")
        server.put("paths.gz", gzip.compress("\n".join(NEWS).encode()))
        (folder / "own.toml").write_text(RECIPE)
        (folder / "catalogue.toml").write_text(CATALOGUE.format(url=server.url()))

    def line(self, *arguments: str) -> list[str]:
        known = ["--recipe", str(self.folder / "own.toml"), "--catalogue", str(self.folder / "catalogue.toml")]
        command = [sys.executable, str(ROOT / "pipelines/build_corpus.py"), "sources", *known]
        return [*command, "--mirror", str(self.out), *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        self.server.asked.clear()
        done = subprocess.run(self.line(*arguments), capture_output=True, text=True, timeout=600)
        assert "Traceback" not in done.stderr
        return done

    def asked(self) -> list[tuple[str, str]]:
        return [(asked.path, asked.range) for asked in self.server.asked]

    def files(self) -> dict[str, bytes]:
        """All that is no bookkeeping of ours."""
        return {
            str(path.relative_to(self.out)): path.read_bytes()
            for path in self.out.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        }

    @contextmanager
    def stalled(self, after: int) -> Iterator[subprocess.Popen[str]]:
        """A mirror that has that much of the books and waits for more."""
        go_on = threading.Event()
        self.books.faults = [Fault(after=after, until=go_on)]
        part = self.out / "books/.books.tar.part"
        with subprocess.Popen(self.line(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            try:
                until(lambda: part.exists() and part.stat().st_size == after // PIECE * PIECE)
                yield running
            finally:
                running.kill()
                go_on.set()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


ALL = {"books/books.tar": BOOKS, **{f"news/{path}": data for path, data in NEWS.items()}}


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    with serving() as server:
        yield Mirror(server, tmp_path)


def test_what_is_public_is_fetched_and_nothing_twice(mirror: Mirror) -> None:
    done = mirror.run("--rate", "1GB")
    assert done.returncode == 0, done.stderr
    assert mirror.files() == ALL
    size = sum(map(len, ALL.values()))
    assert done.stdout.splitlines() == [
        "books: 1 file, of unknown size",
        "news: 2 files, of unknown size",
        "stories: cannot be fetched: never published since 2018",
        f"to {mirror.out}: 3 files, of unknown size",
        f"fetched: 3, {size / 1e6:.1f} MB; here before: 0, 0 B",
    ]
    for number, (path, data) in enumerate(ALL.items(), start=1):
        assert f"[{number}/3] had {hashlib.sha256(data).hexdigest()[:16]}" in done.stderr.splitlines()[number - 1]
        assert done.stderr.splitlines()[number - 1].endswith(f" {path}")
    again = mirror.run()
    assert again.returncode == 0
    assert again.stdout.splitlines()[-1] == f"fetched: 0, 0 B; here before: 3, {size / 1e6:.1f} MB"
    assert mirror.asked() == [("paths.gz", "")]


def test_its_own_files_are_no_input(mirror: Mirror) -> None:
    assert mirror.run().returncode == 0
    (mirror.out / ".books.tar.part").write_bytes(b"half")
    found = find_blobs(load_recipe(str(mirror.folder / "own.toml")), str(mirror.out)).blobs
    assert [blob.path for blob in found] == sorted(ALL)


def test_a_killed_mirror_goes_on_where_it_was(mirror: Mirror) -> None:
    with mirror.stalled(4 * PIECE) as running:
        running.kill()
        running.wait()
    assert mirror.files() == {}
    done = mirror.run()
    assert done.returncode == 0, done.stderr
    assert mirror.files() == ALL
    assert mirror.asked()[:2] == [("paths.gz", ""), ("books.tar", f"bytes={4 * PIECE}-")]
    assert mirror.server.asked[1].if_range == '"1"'


def test_interrupted_it_says_how_to_go_on(mirror: Mirror) -> None:
    with mirror.stalled(2 * PIECE) as running:
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=600)
    assert running.returncode == 130
    assert said == "interrupted: what is done is kept; start the same command again to go on\n"
    assert mirror.run().returncode == 0
    assert mirror.asked()[1] == ("books.tar", f"bytes={2 * PIECE}-")


def test_one_mirror_at_a_time(mirror: Mirror) -> None:
    with mirror.stalled(PIECE):
        second = mirror.run()
        assert second.returncode == 2
        held, *more = second.stderr.splitlines()
        assert re.fullmatch(r"error: another mirror holds this store: process \d+ on \S+, since \S+", held)
        assert more == [
            f"   at: {mirror.out}",
            "   do: wait for it, or choose another folder with --mirror",
        ]
        assert mirror.asked() == []


def test_what_fails_leaves_the_rest_and_is_told_at_the_end(mirror: Mirror) -> None:
    del mirror.server.pages["crawl/1.gz"]
    done = mirror.run()
    assert done.returncode == 1
    gone = mirror.server.url("crawl/1.gz")
    assert done.stdout.splitlines()[-2:] == [
        f"fetched: 2, {(len(BOOKS) + len(NEWS['crawl/2.gz'])) / 1e6:.1f} MB; here before: 0, 0 B",
        f"not fetched: {gone}: the server answers 404 Not Found",
    ]
    assert done.stderr.splitlines()[-3:] == [
        "error: 1 of what is public could not be fetched",
        f"   at: {gone}",
        "   do: mend what is said above; the same command again fetches what is not yet here",
    ]
    mirror.server.put("crawl/1.gz", NEWS["crawl/1.gz"])
    assert mirror.run().returncode == 0
    assert mirror.asked() == [("paths.gz", ""), ("crawl/1.gz", "")]
    assert mirror.files() == ALL


def pin(mirror: Mirror, path: str, data: bytes) -> None:
    blob = {"input": "own", "path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    lock = {"schema": "tokentrail/pins/1", "recipe": "own", "blobs": [blob]}
    (mirror.folder / "own.pins.json").write_text(json.dumps(lock))


def test_what_differs_from_its_pin_is_not_kept(mirror: Mirror) -> None:
    wrong = bytes(reversed(BOOKS))
    pin(mirror, "books/books.tar", wrong)
    done = mirror.run()
    assert done.returncode == 1
    assert f"books: 1 file, {len(BOOKS) / 1e6:.1f} MB" in done.stdout
    expected = hashlib.sha256(wrong).hexdigest()
    assert f"books/books.tar has sha256 {hashlib.sha256(BOOKS).hexdigest()}, not {expected}" in done.stdout
    assert list((mirror.out / "books").iterdir()) == []
    assert sorted(mirror.files()) == ["news/crawl/1.gz", "news/crawl/2.gz"]


def test_what_is_here_is_held_to_its_pin(mirror: Mirror) -> None:
    assert mirror.run().returncode == 0
    pin(mirror, "news/crawl/1.gz", b"x" * len(NEWS["crawl/1.gz"]))
    done = mirror.run()
    assert done.returncode == 1
    assert "do: move it away and start the same command again" in done.stderr
    assert mirror.files() == ALL


def test_a_file_that_was_touched_is_hashed_again(mirror: Mirror) -> None:
    pin(mirror, "books/books.tar", BOOKS)
    assert mirror.run().returncode == 0
    (mirror.out / "books/books.tar").write_bytes(bytes(reversed(BOOKS)))
    os.utime(mirror.out / "books/books.tar", (0, 0))  # the clock of a file system may be coarse
    done = mirror.run()
    assert done.returncode == 1
    assert f"sha256 {hashlib.sha256(bytes(reversed(BOOKS))).hexdigest()}, not" in done.stdout


def test_a_torn_receipt_costs_its_file_alone_another_hash(mirror: Mirror) -> None:
    assert mirror.run().returncode == 0
    log = mirror.out / ".mirror.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole[:-20])
    assert mirror.run().returncode == 0
    assert mirror.asked() == [("paths.gz", "")]
    told = [json.loads(line) for line in log.read_bytes().splitlines()]
    assert {each["path"]: each["sha256"] for each in told} == {
        path: hashlib.sha256(data).hexdigest() for path, data in ALL.items()
    }


def test_only_what_is_named(mirror: Mirror) -> None:
    assert mirror.run("--only", "books", "stories").returncode == 0
    assert mirror.asked() == [("books.tar", "")]
    assert mirror.run("--only", "book").returncode == 2


@pytest.mark.parametrize("folder", ["s3://bucket/data", "{file}", "{file}/below"])
def test_a_folder_that_is_none(mirror: Mirror, folder: str) -> None:
    mirror.out = Path(folder.format(file=mirror.folder / "own.toml")) if "{" in folder else mirror.out
    line = mirror.line() if "{" in folder else [*mirror.line()[:-1], folder]
    done = subprocess.run(line, capture_output=True, text=True, timeout=600)
    assert done.returncode == 2
    assert [text[:7] for text in done.stderr.splitlines()] == ["error: ", "   at: ", "   do: "]


def test_a_full_disk_is_no_failed_fetch(mirror: Mirror) -> None:
    resource = pytest.importorskip("resource")
    limited = subprocess.run(
        mirror.line(),
        capture_output=True,
        text=True,
        timeout=600,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3 * PIECE, 3 * PIECE)),
    )
    assert limited.returncode == 2, limited.stderr
    assert limited.stderr.startswith("error: cannot write to the folder: File too large")
    assert mirror.run().returncode == 0
    assert mirror.asked()[1] == ("books.tar", f"bytes={3 * PIECE}-")
    assert mirror.files() == ALL


def test_without_its_library_it_says_which(mirror: Mirror) -> None:
    code = "import sys; sys.modules['requests'] = None; from pipelines.build_corpus import main; sys.exit(main())"
    line = [sys.executable, "-c", code, *mirror.line()[2:]]
    done = subprocess.run(line, capture_output=True, text=True, timeout=600, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "   do: pip install 'tokentrail[mirror]'"
