"""What a change runs again: what it must and no more, stage by stage, and what comes of it is as if built anew."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from raw_data import RECIPE, write_all

from corpus.recipe import Recipe, load_recipe
from corpus.source import find_blobs, find_url_lists
from pipelines import seal, stages
from pipelines.build import Build
from pipelines.driver import Driver
from pipelines.engines.local import LocalEngine
from pipelines.progress import Progress

WEB = """
[[input]]
name = "web"
reader = "jsonl"
files = ["web/*.jsonl"]
sources = { "*" = "web" }
facts = { url = "url", date = "date" }
[[source]]
name = "web"
"""

PIN = ["pin"]
READ = ["documents"]
REDDIT = ["threads", "bodies", "chains"]
COMPARE = ["exact", "signatures", "candidates", "shingles", "evidence"]
PLACE = ["split", "layout", "shards"]
KEEP = ["verdicts", "split", "encode", "layout", "shards"]
MOST = [*PIN, *READ, *REDDIT, *COMPARE, *KEEP]


@dataclass(frozen=True)
class Base:
    """A corpus that was built, and what builds another beside it."""

    engine: LocalEngine
    recipe: Path
    data: Path
    store: Path


def build(
    engine: LocalEngine, recipe: Recipe, data: Path, store: Path, encoder: str = "fast"
) -> tuple[str, Driver]:
    """Runs every stage as the command line does; gives the manifest's digest and the driver."""
    driver = Driver(engine, Progress(io.StringIO()))
    job = Build(
        recipe.naming("gpt2"), str(data), str(store), "gpt2", encoder, driver, find_url_lists(recipe, str(data))
    )
    blobs = stages.pin_blobs(job, find_blobs(recipe, str(data)).blobs)
    vocabulary = stages.run(job, blobs)
    return seal.manifest_of(job.recipe, blobs, driver.sealed, vocabulary).digest(), driver


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Base]:
    root = tmp_path_factory.mktemp("base")
    write_all(root / "data")
    pages = [
        {"url": f"http://a.example/{n % 3}", "date": "2020-01-01T00:00:00Z", "text": f"page {n} " * 20}
        for n in range(6)
    ]
    (root / "data" / "web").mkdir()
    (root / "data" / "web" / "a.jsonl").write_text("".join(json.dumps(page) + "\n" for page in pages))
    (root / "data" / "list").write_text("a.example\n")
    (root / "tiny.toml").write_text(RECIPE.replace("[validation]", WEB + "[validation]"))
    with LocalEngine(1, lambda size, rows: None) as engine:
        _, driver = build(engine, load_recipe(str(root / "tiny.toml")), root / "data", root / "store")
        assert {stage.name for stage in driver.sealed} == {*MOST, "losers", "vocabulary"}
        yield Base(engine, root / "tiny.toml", root / "data", root / "store")


def rewrite(old: str, new: str) -> Callable[[Path, Path], None]:
    """A change of the recipe's text."""

    def change(recipe: Path, data: Path) -> None:
        text = recipe.read_text()
        assert old in text
        recipe.write_text(text.replace(old, new, 1))

    return change


def name_list(recipe: Path, data: Path) -> None:
    digest = hashlib.sha256((data / "list").read_bytes()).hexdigest()
    lists = f'url_lists = [{{ path = "list", sha256 = "{digest}" }}]\nfacts = {{ url'
    rewrite("facts = { url", lists)(recipe, data)


def edit(path: str, change: Callable[[bytes], bytes]) -> Callable[[Path, Path], None]:
    """A change of a file's bytes."""

    def rewrite_file(recipe: Path, data: Path) -> None:
        (data / path).write_bytes(change((data / path).read_bytes()))

    return rewrite_file


def other_word(content: bytes) -> bytes:
    return gzip.compress(gzip.decompress(content).replace(b"too short", b"too brief"), mtime=0)


def keep_times(recipe: Path, data: Path) -> None:
    """Another file of the same size and time of change: what `cp -p` or rsync may leave."""
    path = data / "web" / "a.jsonl"
    before = path.stat()
    edit("web/a.jsonl", lambda content: content.replace(b"page 5", b"face 5"))(recipe, data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def rename(old: str, new: str) -> Callable[[Path, Path], None]:
    return lambda recipe, data: shutil.move(data / old, data / new)


def add(path: str, content: bytes) -> Callable[[Path, Path], None]:
    def write(recipe: Path, data: Path) -> None:
        (data / path).write_bytes(content)

    return write


COMMENT = b'{"id": "zzz1", "link_id": "t3_zzz1", "parent_id": "t3_zzz1", "body": "One comment more."}\n'
PAGE = b'{"url": "http://b.example/", "date": "", "text": "One page more, of another place."}\n'
NOTHING: list[str] = []

# What is changed, how, and what runs; all else is found sealed. Where a stage that runs gives what it gave before,
# what follows from it alone is found too: nearly always that nobody else lost to a near-duplicate.
CHANGES = {
    "nothing": (lambda recipe, data: None, NOTHING),
    "a description": (rewrite('version = "1.0.0"', 'version = "1.0.0"\ndescription = "other"'), NOTHING),
    "the version": (rewrite('version = "1.0.0"', 'version = "2.0.0"'), NOTHING),
    "a licence": (rewrite('name = "own"\ntext', 'name = "own"\nlicence = "MIT"\ntext'), NOTHING),
    "a pattern that finds the same files": (rewrite("own/*.jsonl.gz", "own/a.*"), NOTHING),
    "the seed": (rewrite('version = "1.0.0"', 'version = "1.0.0"\nseed = 7'), PLACE),
    "the bytes of validation": (rewrite("bytes = 4000", "bytes = 9000"), PLACE),
    "the part of validation": (rewrite("bytes = 4000", "bytes = 4000\nmax_percent = 1"), PLACE),
    "the size of shards": (rewrite("60_000", "10_000"), ["layout", "shards"]),
    "min_words, which drops another": (rewrite("min_words = 20", "min_words = 60"), READ + COMPARE + KEEP),
    "min_words, which drops no other": (rewrite("min_words = 20", "min_words = 19"), READ),
    "min_words of Reddit": (
        rewrite('name = "reddit"\n\n', 'name = "reddit"\ntext = { filters = { min_words = 50 } }\n\n'),
        ["chains", *COMPARE, *KEEP],
    ),
    "what joins comments": (
        rewrite('"*" = "reddit" }', '"*" = "reddit" }\nchain = { join = " " }'),
        [*REDDIT, "exact", "signatures", "shingles", "evidence", *KEEP],
    ),
    "the threshold": (
        rewrite("[validation]", "[duplicates]\nthreshold_percent = 99\n[validation]"),
        ["signatures", "candidates", "evidence", "losers", *KEEP],
    ),
    "the policy, which drops no other": (
        rewrite("[validation]", '[duplicates]\npolicy = "component"\n[validation]'),
        ["losers"],
    ),
    "once per URL": (
        rewrite("facts = { url", "once_per_url = true\nfacts = { url"),
        ["urls", "exact", "signatures", "candidates", *KEEP],
    ),
    "a list of URLs": (name_list, READ + COMPARE + KEEP),
    "a file's bytes, of what is dropped": (
        edit("own/a.jsonl.gz", other_word),
        [*PIN, *READ, "exact", "signatures", "shingles", "evidence", "verdicts", "split", "encode"],
    ),
    "a file's bytes, not its size and time": (keep_times, PIN + READ + COMPARE + KEEP),
    "a file's compression": (
        edit("own/a.jsonl.gz", lambda content: gzip.compress(gzip.decompress(content), 1, mtime=0)),
        PIN + READ,
    ),
    "a file's name": (rename("own/a.jsonl.gz", "own/b.jsonl.gz"), PIN + READ + COMPARE + KEEP),
    "the last file's name": (rename("web/a.jsonl", "web/b.jsonl"), PIN + READ + COMPARE + KEEP),
    "a file more": (
        add("own/b.jsonl.gz", gzip.compress(b'{"body": {"text": "One"}}\n')),
        MOST,
    ),
    "a file more of the last input": (add("web/b.jsonl", PAGE), PIN + READ + COMPARE + KEEP),
    "a file more of Reddit": (
        add("reddit/comments/RC_2011-03.bz2", bz2.compress(COMMENT)),
        MOST,
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_runs_again_what_it_must_and_no_more(base: Base, tmp_path: Path, what: str) -> None:
    change, expected = CHANGES[what]
    recipe, data, store = tmp_path / "tiny.toml", base.data, tmp_path / "store"
    shutil.copyfile(base.recipe, recipe)
    shutil.copytree(base.store, store, copy_function=os.link)
    if "a file" in what or "last file" in what:
        data = Path(shutil.copytree(base.data, tmp_path / "data"))
    change(recipe, data)
    digest, driver = build(base.engine, load_recipe(str(recipe)), data, store)
    ran = {stage.name for stage in driver.sealed} - {stage.name for stage in driver.reused}
    assert ran == set(expected), " ".join(sorted(ran))
    assert build(base.engine, load_recipe(str(recipe)), data, tmp_path / "anew")[0] == digest


@pytest.mark.parametrize("workers", [2, 3])
def test_neither_workers_nor_the_encoder_run_anything_again(base: Base, workers: int) -> None:
    recipe = load_recipe(str(base.recipe))
    digest, _ = build(base.engine, recipe, base.data, base.store)
    with LocalEngine(workers, lambda size, rows: None) as engine:
        same, driver = build(engine, recipe, base.data, base.store, "tokenizers")
    assert same == digest
    assert driver.reused == driver.sealed
