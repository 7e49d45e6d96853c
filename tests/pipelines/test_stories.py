"""Hacker News's stages against a walk over dictionaries, on random trees; then as a corpus of its own."""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import json
import random
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_data import prose
from tiny_corpus import command

from corpus.manifest import load_manifest, read_ref
from corpus.part import blob_digest, read_part
from corpus.recipe import Input, Recipe, Source, Text
from corpus.source import Blob
from corpus.table import concat
from pipelines.auditing.tracing import trace
from pipelines.build import Build
from pipelines.document_stages import read_hacker_news
from pipelines.driver import Driver
from pipelines.engines.local import LocalEngine
from pipelines.progress import Progress
from pipelines.steps.blocks import COMMENTS, ROWS, Blocks


class Found(NamedTuple):
    """What the stages make of some lines.

    Attributes:
        texts: The ids a document is made of -> its text.
        doc_ids: The same -> its id.
        unchosen: Label -> records.
        damaged: Rows of the ledger for lines that are no item.
    """

    texts: dict[tuple[int, ...], str]
    doc_ids: dict[tuple[int, ...], bytes]
    unchosen: Counter[str]
    damaged: int


@functools.cache
def one_engine() -> LocalEngine:
    """The engine of all examples, whose worker ends with this process."""
    return LocalEngine(1, lambda size, rows: None)


def run(files: list[list[bytes]]) -> Found:
    """Runs the stages over some files, each a list of lines; checks the law of the input."""
    recipe = Recipe(
        name="hn",
        version="1",
        input=(Input(name="hn", reader="hacker-news", files=("*",), sources={"*": "news"}),),
        source=(Source(name="news", text=Text(normalise=())),),
    )
    with tempfile.TemporaryDirectory() as folder:
        blobs = []
        for number, lines in enumerate(files):
            path = Path(folder) / f"{number}.jsonl"
            path.write_bytes(b"".join(line + b"\n" for line in lines))
            blobs.append(Blob("hn", path.name, path.stat().st_size, blob_digest(str(path))[0]))
        driver = Driver(one_engine(), Progress(io.StringIO()))
        build = Build(recipe, folder, str(Path(folder) / "store"), "gpt2", "tokenizers", driver)
        stages = read_hacker_news(build, tuple(blobs))
        counts: Counter[str] = Counter()
        for stage in driver.sealed:
            counts.update(stage.counts)
        found = read_back(Blocks.of(stages), counts)
    for unit in ("records", "bytes"):
        unchosen = sum(count for key, count in counts.items() if key.startswith(f"unchosen/hn/{unit}/"))
        assert counts[f"stream/hn/{unit}"] == counts[f"documents/hn/{unit}"] + unchosen
    assert counts["stream/hn/records"] == sum(map(len, files))
    return found


def read_back(blocks: Blocks, counts: Counter[str]) -> Found:
    texts: dict[tuple[int, ...], str] = {}
    doc_ids: dict[tuple[int, ...], bytes] = {}
    damaged = 0
    for block, url in enumerate(blocks.rows):
        rows = blocks.read_rows(block)
        damaged += int((rows["source"] > 0).sum())
        if not (rows["source"] == 0).any():
            continue
        items = concat(read_part(url.removesuffix(ROWS) + COMMENTS))
        for numbers, some in blocks.read_text(block):
            for row, text in zip(numbers.tolist(), some, strict=True):
                mine = items["row"] == row
                ids = tuple(items["id"][mine].tolist())
                texts[ids], doc_ids[ids] = text.decode(), rows["doc_id"][row].tobytes()
                assert rows["raw_bytes"][row] == items["raw_bytes"][mine].sum()
    prefix = "unchosen/hn/records/"
    unchosen = Counter({k.removeprefix(prefix): n for k, n in counts.items() if k.startswith(prefix)})
    return Found(texts, doc_ids, unchosen, damaged)


# The oracle: dictionaries, and a walk up from every item.


def oracle(lines: list[bytes]) -> tuple[dict[tuple[int, ...], str], Counter[str]]:
    copies: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for line in lines:
        item = json.loads(line)
        gone = bool(item.get("dead") or item.get("deleted"))
        copies[item["id"]].append((-(item.get("parent") or 0), gone, -len(line), line))
    items = {own: json.loads(min(found)[-1]) for own, found in copies.items()}
    trees: dict[int, list[int]] = defaultdict(list)
    for own in items:
        at: int | None = own
        while at is not None and items[at].get("parent"):
            above = items[at]["parent"]
            at = above if above < at and above in items else None
        trees[at or 0].append(own)
    unchosen: Counter[str] = Counter({"in no story": sum(len(copies[own]) for own in trees.pop(0, []))})
    texts = {}
    for root, members in trees.items():
        unchosen["copy"] += sum(len(copies[own]) - 1 for own in members)
        ids, text = oracle_story(root, {own: items[own] for own in members})
        if ids:
            texts[ids] = text
        for own in set(members) - set(ids):
            kind = items[root].get("type")
            if own == root:
                named = {"story": "story not taken", "job": "job", "poll": "poll", "pollopt": "poll option"}
                unchosen[named.get(kind, "in no story")] += 1
            elif not ids:
                unchosen["below what is not taken"] += 1
            else:
                unchosen["off the chain" if is_live(items[own]) else "not live"] += 1
    return texts, +unchosen


def is_live(item: dict[str, Any]) -> bool:
    return bool(item.get("by") and item.get("text") and not item.get("dead") and not item.get("deleted"))


def oracle_story(root: int, items: dict[int, dict[str, Any]]) -> tuple[tuple[int, ...], str]:
    story = items[root]
    replies = {
        own: item.get("kids") or sorted(other for other in items if items[other].get("parent") == own)
        for own, item in items.items()
    }

    def shown(own: int) -> list[int]:
        there = [kid for kid in replies[own] if kid in items and items[kid].get("parent") == own]
        return [kid for place, kid in enumerate(there) if is_live(items[kid]) and kid not in there[:place]]

    sound = story.get("type") == "story" and not story.get("dead") and not story.get("deleted")
    if not (sound and story.get("title") and story.get("by") and story.get("score", 0) >= 1 and shown(root)):
        return (), ""
    ids, chains = [root], []
    for top in shown(root):
        chain = [top]
        while shown(chain[-1]):
            most = max(len(replies[kid]) for kid in shown(chain[-1]))
            chain.append(next(kid for kid in shown(chain[-1]) if len(replies[kid]) == most))
        ids += chain
        chains.append("~~~\n".join(f"{items[own]['by']}\n{items[own]['text']}\n\n" for own in chain))
    head = f"{story['title']} - {story['by']}\n"
    if story.get("text"):
        head = f"\n{head}{story['text']}\n"
    return tuple(ids), f"{head}======\n" + "------\n".join(chains)


def some_item(own: int, draw: random.Random) -> dict[str, Any]:
    """An item that most often is a sound part of a tree, and else anything a dump may hold."""
    item: dict[str, Any] = {"id": own, "by": f"by{own}", "text": f"text {draw.randrange(3)}"}
    if draw.random() < 0.3 or own == 1:
        item |= {
            "type": draw.choice(["story"] * 5 + ["job", "poll", "pollopt", "comment"]),
            "title": f"Title {own}",
        }
        item |= {"score": draw.choice([0, 1, 1, 5])}
    else:
        item |= {"type": "comment", "parent": draw.randrange(1, own if draw.random() < 0.95 else 30)}
    if draw.random() < 0.4:
        item["kids"] = draw.sample(range(1, 30), draw.randrange(6))
    for field, value in (("dead", True), ("deleted", True), ("by", None), ("text", ""), ("title", None)):
        if draw.random() < 0.05:
            item[field] = value
    return item


@st.composite
def dumps(draw: st.DrawFn) -> tuple[list[bytes], list[int]]:
    """Lines, and the file each is in."""
    generator = random.Random(draw(st.integers(0, 2**32)))
    own = draw(st.lists(st.integers(1, 30), min_size=1, max_size=45))
    lines = [json.dumps(some_item(number, generator)).encode() for number in own]
    return lines, [generator.randrange(3) for _ in lines]


@settings(max_examples=80)
@given(dumps(), st.randoms())
def test_stories_are_those_of_the_walk(dump: tuple[list[bytes], list[int]], shuffle: random.Random) -> None:
    lines, places = dump
    first = run([[line for line, at in zip(lines, places, strict=True) if at == file] for file in range(3)])
    texts, unchosen = oracle(lines)
    assert first.texts == texts
    assert first.unchosen == unchosen
    shuffle.shuffle(lines)
    again = run([lines[:7], lines[7:]])
    assert (again.texts, again.doc_ids, again.unchosen) == (texts, first.doc_ids, unchosen)


def line(own: int, parent: int | None = None, **fields: Any) -> bytes:
    """An item, as tables of items hold it: no `kids`."""
    item: dict[str, Any] = {"id": own, "by": "a", "type": "comment", "parent": parent, "text": f"text {own}"}
    if parent is None:
        item |= {"type": "story", "title": "T", "score": 1, "text": None}
    return json.dumps(item | fields).encode()


def test_a_chain_of_three_thousand_is_one_document() -> None:
    lines = [line(own, own - 1 or None) for own in range(1, 3002)]
    found = run([lines[1::2][::-1], lines[::2]])
    assert list(found.texts) == [tuple(range(1, 3002))]


def test_damaged_lines_are_rows_and_shift_nobody() -> None:
    lines = [b"null", line(1), b'{"id": "x"}', line(2, 1), b"{}", line(3, 2), b'{"id":']
    found = run([lines])
    assert (list(found.texts), found.damaged, found.unchosen) == ([(1, 2, 3)], 4, Counter())


def test_a_story_with_a_comment_beyond_html2text_is_a_row() -> None:
    found = run([[line(1), line(2, 1, text="x" * 40_000), line(3, 1), line(4), line(5, 4)], []])
    assert (list(found.texts), found.damaged, found.unchosen) == ([(4, 5)], 0, Counter())


def test_a_circle_and_an_absent_story_are_counted() -> None:
    found = run([[line(2, 3), line(3, 2), line(4, 4), line(6, 5), line(7, 6)]])
    assert (found.texts, found.unchosen) == ({}, Counter({"in no story": 5}))


RECIPE = """
name = "news"
version = "1"
[validation]
bytes = 0
[[input]]
name = "hn"
reader = "hacker-news"
files = ["hn/*"]
sources = { "*" = "hackernews" }
[[source]]
name = "hackernews"
"""


def write_news(folder: Path, backwards: bool) -> None:
    """Forty stories over three files, compressed in three ways, written in one order or the other."""
    draw = random.Random(3)
    lines = [line(own, title=prose(draw, 5), url="https://a.b") for own in range(1, 41)]
    lines += [line(own, draw.randrange(1, own), text=prose(draw, 20)) for own in range(41, 400)]
    draw.shuffle(lines)
    files = [b"".join(one + b"\n" for one in lines[start::3]) for start in range(3)]
    packed = {"a.jsonl": files[0], "b.jsonl.gz": gzip.compress(files[1], mtime=0), "c.bz2": bz2.compress(files[2])}
    (folder / "hn").mkdir(parents=True)
    for name in sorted(packed, reverse=backwards):
        (folder / "hn" / name).write_bytes(packed[name])


@pytest.fixture(scope="module")
def news(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of the corpus, and what its build printed."""
    root = tmp_path_factory.mktemp("news")
    write_news(root / "data", backwards=False)
    (root / "news.toml").write_text(RECIPE)
    built = build(root, root / "data", root / "store", 1)
    return root, built


def build(root: Path, data: Path, store: Path, workers: int) -> str:
    done = command(
        *(
            "build_corpus.py",
            "--recipe",
            root / "news.toml",
            "--data",
            data,
            "--out",
            store,
            "--workers",
            str(workers),
        )
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_neither_workers_nor_the_order_of_files_move_the_digest(news: tuple[Path, str], tmp_path: Path) -> None:
    root, printed = news
    write_news(tmp_path / "data", backwards=True)
    again = build(root, tmp_path / "data", tmp_path / "store", 2)
    assert again.splitlines()[-1] == printed.splitlines()[-1]


def test_the_corpus_verifies_and_a_token_is_traced_to_its_items(news: tuple[Path, str]) -> None:
    root, _ = news
    ref = str(root / "store/refs/news/1")
    assert command("audit.py", "verify", ref).returncode == 0
    assert load_manifest(*read_ref(ref)).sources[0].kept > 20
    found = trace(ref, "hackernews-00000:0", str(root / "data"))
    assert found.proved
    items = [json.loads(record.raw or b"") for record in found.records]
    assert [str(item["id"]) for item in items] == [record.name for record in found.records]
    assert items[0]["type"] == "story" and items[0]["title"].encode() in found.text
    assert all(item["text"].split()[0].encode() in found.text for item in items[1:])
