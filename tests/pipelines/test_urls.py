"""One page per URL and lists of URLs, in builds of crawls: against an oracle in plain Python over pages' facts."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

import numpy as np
import pytest
from crawl_data import CUT_OFF, RANK, RECIPE, Page, fetches, write_crawl
from hypothesis import given
from hypothesis import strategies as st
from tiny_corpus import command, digest_of

from corpus.drops import Drop
from corpus.manifest import load_manifest, read_ref
from corpus.part import read_part
from corpus.table import concat, take
from pipelines.auditing.explaining import describe, explain, explain_all
from pipelines.auditing.verifying import verify
from pipelines.external_sort import sort_rows
from pipelines.steps.duplicates import others_of_each

Row = tuple[Drop, str, str]  # verdict, id, winner


@dataclass(frozen=True)
class Crawl:
    """The pages, the recipe, the files, and a store that holds the corpus built from them."""

    pages: list[Page]
    recipe: Path
    data: Path
    store: Path
    printed: str

    @property
    def ref(self) -> str:
        return str(self.store / "refs/tiny/1.0.0")


def build(recipe: Path, data: Path, store: Path, *arguments: str) -> str:
    line = ["build_corpus.py", "--recipe", recipe, "--data", data, "--out", store]
    built = command(*map(str, line), *arguments)
    assert built.returncode == 0, built.stderr
    return built.stdout


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> Crawl:
    root = tmp_path_factory.mktemp("crawl")
    pages = fetches(random.Random(42))
    write_crawl(root / "data", pages)
    (root / "tiny.toml").write_text(RECIPE)
    printed = build(root / "tiny.toml", root / "data", root / "store", "--workers", "1")
    return Crawl(pages, root / "tiny.toml", root / "data", root / "store", printed)


def ledger(ref: str) -> dict[tuple[str, int], Row]:
    """(file, record) -> (verdict, id, winner)."""
    store, digest = read_ref(ref)
    manifest = load_manifest(store, digest)
    folder = manifest.stage_folder(store, "verdicts")
    parts = [part.name for part in manifest.stage("verdicts").parts if part.name.endswith("ledger.parquet")]
    rows = concat(columns for part in parts for columns in read_part(f"{folder}/{part}"))
    return {
        (manifest.blobs[blob].path, record): (Drop(drop), doc_id.tobytes().hex(), winner.tobytes().hex())
        for blob, record, drop, doc_id, winner in zip(
            *(rows[name] for name in ("blob", "record", "drop", "doc_id", "winner")), strict=True
        )
    }


def plain_url(url: str) -> str:
    parts = urlsplit(urldefrag(url).url)
    return parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower()).geturl()


def losers_of(pages: list[Page], ids: dict[tuple[str, int], str], asking: set[str]) -> dict[str, str]:
    """Who loses to whom by URL: id -> the winner's id."""
    by_url: dict[str, list[tuple[str, int, str]]] = {}
    for page in pages:
        late = page.source in ("warc", "articles") and page.date > CUT_OFF
        if page.source in asking and page.url and not late and len(page.text.split()) >= 20:
            key = page.date or "unknown", RANK.index(page.source), ids[page.path, page.record]
            by_url.setdefault(plain_url(page.url), []).append(key)
    return {other: min(found)[2] for found in by_url.values() for _, _, other in found if other != min(found)[2]}


def check(pages: list[Page], ref: str, asking: set[str]) -> Counter[Drop]:
    rows = ledger(ref)
    ids = {address: doc_id for address, (_, doc_id, _) in rows.items()}
    expected = losers_of(pages, ids, asking)
    found = {doc_id: winner for drop, doc_id, winner in rows.values() if drop == Drop.REPEATED_URL}
    assert found == expected
    # The others are judged as if those had never been: one of each text stays, or is a near-duplicate.
    text = {ids[page.path, page.record]: page.text for page in pages if (page.path, page.record) in ids}
    verdicts = {doc_id: drop for drop, doc_id, _ in rows.values()}
    stays = Counter(text[doc_id] for doc_id, drop in verdicts.items() if drop in (Drop.KEPT, Drop.NEAR_DUPLICATE))
    assert set(stays.values()) == {1}
    for drop, doc_id, winner in rows.values():
        if drop == Drop.EXACT_DUPLICATE:
            assert text[winner] == text[doc_id]
            assert verdicts[winner] in (Drop.KEPT, Drop.NEAR_DUPLICATE)
        if drop == Drop.NEAR_DUPLICATE:
            assert verdicts[winner] == Drop.KEPT
    return Counter(drop for drop, _, _ in rows.values())


def test_of_each_url_the_first_fetched_stays(crawl: Crawl) -> None:
    counts = check(crawl.pages, crawl.ref, {"warc", "lines", "articles"})
    assert counts[Drop.REPEATED_URL] > 30
    others = (Drop.KEPT, Drop.EXACT_DUPLICATE, Drop.NEAR_DUPLICATE, Drop.TOO_FEW_WORDS)
    assert min(counts[drop] for drop in others) >= 3
    (articles,) = [entry for entry in load_manifest(*read_ref(crawl.ref)).inputs if entry.name == "articles"]
    assert articles.unchosen["after the cut-off"][0] > 0


def test_neither_order_nor_workers_move_the_digest(crawl: Crawl, tmp_path: Path) -> None:
    """The files are made in reverse below another root, and two processes read them."""
    by_file: dict[str, list[Page]] = {}
    for page in crawl.pages:
        by_file.setdefault(page.path, []).append(page)
    for path in sorted(by_file, reverse=True):
        write_crawl(tmp_path / "data", by_file[path])
    printed = build(crawl.recipe, tmp_path / "data", tmp_path / "store", "--workers", "2")
    assert digest_of(printed) == digest_of(crawl.printed)


def test_the_store_is_sound_and_the_table_has_a_column_for_urls(crawl: Crawl) -> None:
    assert verify(crawl.ref, lambda line: None) == []
    header = next(line for line in crawl.printed.splitlines() if line.startswith("source "))
    assert header.split()[4:7] == ["url", "exact", "near"]
    lost = sum(drop == Drop.REPEATED_URL for drop, _, _ in ledger(crawl.ref).values())
    assert f"{lost} repeated url" in crawl.printed.replace("\n  ", " ")
    total = next(line for line in crawl.printed.splitlines() if line.startswith("all ")).split()
    assert str(lost) in total


def test_an_input_may_ask_and_another_not(crawl: Crawl, tmp_path: Path) -> None:
    """In the same store: the documents are not read again, for only who of them stays is asked anew."""
    arguments = ("--set", "input.lines.once_per_url=false", "--set", "input.wet.once_per_url=true")
    printed = build(crawl.recipe, crawl.data, crawl.store, "--set", "version=2", *arguments)
    assert printed.splitlines()[-1].split(":")[1] != digest_of(crawl.printed)
    check(crawl.pages, str(crawl.store / "refs/tiny/2"), {"warc", "wet", "articles"})
    assert len(list((crawl.store / "stages/documents").iterdir())) == 1


def test_where_no_input_asks_there_is_no_stage(crawl: Crawl, tmp_path: Path) -> None:
    arguments = [f"--set=input.{name}.once_per_url=false" for name in ("lines", "warc", "articles")]
    build(crawl.recipe, crawl.data, tmp_path / "store", *arguments)
    manifest = load_manifest(*read_ref(str(tmp_path / "store/refs/tiny/1.0.0")))
    assert "urls" not in [stage.name for stage in manifest.stages]
    assert check(crawl.pages, str(tmp_path / "store/refs/tiny/1.0.0"), set())[Drop.REPEATED_URL] == 0


def test_a_loser_is_explained_to_the_document_that_stayed(crawl: Crawl) -> None:
    rows = ledger(crawl.ref)
    verdicts = {doc_id: drop for drop, doc_id, _ in rows.values()}
    urls = {(page.path, page.record): page.url for page in crawl.pages}
    lengths = set()
    for (path, record), (drop, doc_id, winner) in rows.items():
        found = explain(crawl.ref, doc_id)
        assert (found[0].record[:2], found[0].facts.get("url", "")) == ((path, record), urls[path, record])
        assert [verdict.drop for verdict in found] == [verdicts[verdict.doc_id] for verdict in found]
        if drop == Drop.REPEATED_URL:
            assert found[1].doc_id == winner
            assert plain_url(found[1].facts["url"]) == plain_url(urls[path, record])
            assert found[-1].drop == Drop.KEPT
            assert f"verdict    repeated url of {winner}" in describe(found)
            lengths.add(len(found))
    assert lengths >= {2, 3}
    (path, record), (_, doc_id, _) = next((k, v) for k, v in rows.items() if v[0] == Drop.REPEATED_URL)
    done = command("audit.py", "explain", crawl.ref, f"{path}:{record}")
    assert (done.returncode, done.stdout.strip()) == (0, describe(explain(crawl.ref, doc_id)))
    for nobody in ("0" * 32, "no/file:1", f"{path}:99999", "zz"):
        done = command("audit.py", "explain", crawl.ref, nobody)
        assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 3)


def test_a_url_finds_every_page_of_it(crawl: Crawl) -> None:
    rows = ledger(crawl.ref)
    lost = next(key for key, value in rows.items() if value[0] == Drop.REPEATED_URL)
    url = next(page.url for page in crawl.pages if (page.path, page.record) == lost)
    found = explain_all(crawl.ref, f"url: <{url}#elsewhere>")
    same = {(page.path, page.record) for page in crawl.pages if plain_url(page.url) == plain_url(url)}
    assert {chain[0].record[:2] for chain in found} == same & rows.keys()  # without those that became no document
    assert len(same) > 1


def test_a_pinned_list_drops_what_it_names_wherever_it_lies(crawl: Crawl, tmp_path: Path) -> None:
    named = [f"news.example.org/{page}?id={page % 7}" for page in range(0, 40, 3)]
    content = "".join(f"{line}\n" for line in ["# pages", "else.where", *named]).encode()
    digest = hashlib.sha256(content).hexdigest()
    digests = []
    for where in (crawl.data / "lists/some.txt", tmp_path / "other.txt"):
        where.parent.mkdir(exist_ok=True)
        where.write_bytes(content)
        path = where.relative_to(crawl.data) if where.is_relative_to(crawl.data) else where
        pinned = f'input.warc.url_lists=[{{path="{path}",sha256="{digest}"}}]'
        printed = build(crawl.recipe, crawl.data, tmp_path / where.stem, "--set", pinned)
        digests.append(digest_of(printed))
    assert digests[0] == digests[1] != digest_of(crawl.printed)
    ref = str(tmp_path / "other/refs/tiny/1.0.0")
    assert verify(ref, lambda line: None) == []
    rows = ledger(ref)
    for page in crawl.pages:
        is_named = page.source == "warc" and plain_url(page.url).removeprefix("http://") in named
        if (page.path, page.record) in rows:
            assert (rows[page.path, page.record][0] == Drop.LISTED_URL) == is_named
    refused = {page.path: page for page in crawl.pages if plain_url(page.url).removeprefix("http://") in named}
    assert refused
    going_on = [page for page in crawl.pages if rows.get((page.path, page.record), (None,))[0] != Drop.LISTED_URL]
    check(going_on, ref, {"warc", "lines", "articles"})


def test_a_list_that_is_another_is_an_error_before_anything_is_spent(crawl: Crawl, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"a.org\n")
    for digest, words in (("0" * 64, "the recipe says 0000"), ("abc", "regex")):
        pinned = f'input.warc.url_lists=[{{path="{tmp_path}/list.txt",sha256="{digest}"}}]'
        line = ["--recipe", crawl.recipe, "--data", crawl.data, "--out", tmp_path / "store", "--set", pinned]
        built = command("build_corpus.py", *line)
        assert (built.returncode, len(built.stderr.strip().splitlines())) == (2, 3)
        assert words in built.stderr
        assert not (tmp_path / "store").exists()


records = st.tuples(st.binary(min_size=1, max_size=1), st.integers(0, 2), st.integers(0, 2), st.integers(0, 60))


@given(st.lists(records, max_size=30, unique_by=lambda record: record[3]), st.randoms(use_true_random=False))
def test_who_stays_does_not_depend_on_the_order_of_arrival(
    found: list[tuple[bytes, int, int, int]], draw: random.Random
) -> None:
    best = {key: min(record[1:] for record in found if record[0] == key) for key, *_ in found}
    expected = {record[3]: best[record[0]][2] for record in found if record[1:] != best[record[0]]}
    draw.shuffle(found)
    keys = np.array([list(key.rjust(8)) for key, *_ in found], np.uint8).reshape(-1, 8)
    ids = np.array([[0] * 15 + [number] for *_, number in found], np.uint8).reshape(-1, 16)
    columns = {"key": keys, "date": np.array([date for _, date, _, _ in found], np.int64)}
    columns |= {"source": np.array([source for _, _, source, _ in found], np.uint16), "doc_id": ids}
    columns["row"] = ids[:, 15]
    tables = (take(columns, np.array([row])) for row in range(len(found)))
    in_rank_order = sort_rows(tables, ("key", "date", "source", "doc_id"), budget=90)
    lost = concat(others_of_each(in_rank_order, "key")) or {"row": ids[:0, 15], "winner": ids[:0]}
    assert dict(zip(lost["row"].tolist(), lost["winner"][:, 15].tolist(), strict=True)) == expected
