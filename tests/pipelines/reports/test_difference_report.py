"""The page of a difference: it says what the stores say, does nothing, and leaves out what is not for all."""

from __future__ import annotations

import hashlib
import html
import json
import random
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from raw_data import near_copy, prose
from resealed_corpus import edit_third_text, reseal
from strangers_words import EVIL, Elements, assert_drawn, assert_harmless
from tiny_corpus import Tiny, built, command

from pipelines.auditing.changes import Change
from pipelines.auditing.difference import difference
from pipelines.reports.difference_report import change_in_words, difference_report

RECIPE = """
name = "hostile"
version = "1.0.0"
[[input]]
name = "lines"
reader = "jsonl"
files = ["*.jsonl"]
sources = { "*" = "lines" }
[[source]]
name = "lines"
title = "plain"
url = "https://example.org/before"
[text.filters]
min_words = 40
[validation]
max_percent = 30
[duplicates]
threshold_percent = 80
"""
CHANGES = (
    "version=2",
    "seed=7",
    "text.filters.min_words=70",
    'text.normalise=["whitespace", "chapter-headings"]',
    'source.lines.title="</title><script>alert(1)</script>"',
    "source.lines.url=https://example.org/after",
)


class Two(NamedTuple):
    """Two corpora of the same hostile documents, their recipe and their raw files."""

    recipe: Path
    data: Path
    store: Path

    @property
    def refs(self) -> tuple[str, str]:
        folder = self.store / "refs" / "hostile"
        return str(folder / "1.0.0"), str(folder / "2")

    def build(self, *overrides: str) -> str:
        line = ["--recipe", self.recipe, "--data", self.data, "--out", self.store, "--workers", "1"]
        for override in overrides:
            line += ["--set", override]
        done = command("build_corpus.py", *line)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Two:
    root = tmp_path_factory.mktemp("two")
    found = Two(root / "recipe.toml", root / "data", root / "store")
    found.recipe.write_text(RECIPE)
    found.data.mkdir()
    draw = random.Random(11)
    texts = [f"{evil} {prose(draw, 50)}" for evil in reversed(EVIL)] + [prose(draw, 100) for _ in range(40)]
    texts += [f"CHAPTER I.\n\n{evil}\n\n{prose(draw, 100)}" for evil in EVIL]
    texts += [near_copy(text, 50) for text in texts[12:20]]
    with open(found.data / "a.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
    found.build()
    found.build(*CHANGES)
    return found


@pytest.fixture(scope="module")
def page(two: Two) -> str:
    return difference_report(difference(*two.refs)).decode()


def manifest_of(ref: str) -> dict[str, Any]:
    store, _, name = ref.partition("/refs/")
    digest = Path(ref).read_text().strip().removeprefix("sha256:")
    found: dict[str, Any] = json.loads((Path(store) / "manifests" / f"{digest}.json").read_bytes())
    assert f"{found['name']}/{found['version']}" == name
    return found


def test_hostile_documents_do_nothing(page: str) -> None:
    assert_harmless(page)
    words = " ".join(Elements(page).words)
    assert "<script>alert(document.domain)</script>" in words  # of a document
    assert "</title><script>alert(1)</script>" in words  # of the recipe
    for private in ("someone.private", "7946", "192.0.2.17"):
        assert private not in words
    assert "[e-mail]" in words


def test_the_command_writes_the_same_bytes_each_time(two: Two, page: str, tmp_path: Path) -> None:
    out = tmp_path / "d.html"
    plain = command("audit.py", "diff", *two.refs)
    done = command("audit.py", "diff", *two.refs, "--report", out, PYTHONHASHSEED="9", LC_ALL="C")
    assert (done.returncode, done.stdout) == (1, plain.stdout)
    assert out.read_text(encoding="utf-8") == page


def test_the_verdict_stands_first_in_words_and_numbers(two: Two, page: str) -> None:
    words = Elements(page).words
    assert "grade C: explained" in words
    before, after = map(manifest_of, two.refs)
    for field, what in (("kept", " documents"), ("text_bytes", ""), ("tokens", " tokens")):
        rows = "shards" if field == "tokens" else "sources"
        one, other = (sum(row[field] for row in side[rows]) for side in (before, after))
        assert one != other
        if what:
            assert f"{one:,} → {other:,}{what}" in words
    assert all(f"sha256:{Path(ref).read_text().strip().removeprefix('sha256:')}" in words for ref in two.refs)


def test_every_group_is_drawn_and_shown(two: Two, page: str) -> None:
    changes = difference(*two.refs).documents
    assert changes is not None
    assert changes.removed and changes.changed and changes.resplit and not changes.added
    words = Elements(page).words
    for moved in (*changes.removed, *changes.changed, *changes.resplit):
        assert any(word.startswith(f"{moved.documents} document") for word in words)
        for example in moved.examples:
            assert example.doc_id in words and example.record in words
    both = re.findall(r"<b>a</b> (.*?)<br><b>b</b> (.*?)</blockquote>", page)
    assert both and all("CHAPTER" in one and "CHAPTER" not in other for one, other in both)
    assert "removed: too few words" in words


def test_added_documents_are_those_that_the_other_way_round_are_removed(two: Two, page: str) -> None:
    back = difference_report(difference(*reversed(two.refs))).decode()
    removed = page.split("<summary>removed: too few words</summary>")[1].split("</details>")[0]
    added = back.split("<summary>added, before: too few words</summary>")[1].split("</details>")[0]
    assert removed == added


def test_the_arcs_are_what_the_seals_say(two: Two, page: str) -> None:
    """By reading both stores' seals as plain JSON: who reads whom, and which of them says something else."""
    reads: set[tuple[str, str]] = set()
    said: list[dict[str, str]] = []
    for ref in two.refs:
        folders = {s["name"]: two.store / "stages" / s["name"] / s["key"] for s in manifest_of(ref)["stages"]}
        seals = {name: json.loads((folder / "stage.json").read_bytes()) for name, folder in folders.items()}
        lines = {
            name: "".join(f"{part['name']} {part['rows']} {part['logical']}\n" for part in seal["parts"])
            for name, seal in seals.items()
        }
        digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in lines.items()}
        assert len(set(digests.values())) == len(digests)
        reads |= {(one, name) for name in seals for one in seals if digests[one] in seals[name]["inputs"]}
        said.append(digests)
    differing = {name for name in said[0] if said[0][name] != said[1][name]}
    arcs = re.findall(r'class="(axis|line l5)"><title>(\w+) reads (\w+)</title>', page)
    assert {(read, name) for _, name, read in arcs} == reads
    carrying = {(read, name) for style, name, read in arcs if style == "line l5"}
    assert carrying == {pair for pair in reads if set(pair) <= differing} != set()
    assert page.count('class="line l5"/>') == 1  # the ring around the first
    assert "first divergence: rule normalise.chapter-headings: (absent) -&gt; 1, and 2 more" in page


def test_the_overrides_make_the_second_of_the_first(two: Two, page: str) -> None:
    """The recipe file with what the page says, read as a shell reads it, seals what stands there sealed."""
    (line,) = re.findall(r"that of a with:</p>\s*<pre>(.*)</pre>", page)
    said = shlex.split(html.unescape(line))
    assert said[::2] == ["--set"] * len(CHANGES)
    (digest,) = re.findall("sha256:([0-9a-f]{64})", two.build(*said[1::2]))
    assert digest == Path(two.refs[1]).read_text().strip().removeprefix("sha256:")


def test_recipes_that_no_override_makes_alike_have_no_such_line(copy_of: Callable[[], Tiny]) -> None:
    tiny = copy_of()
    line = ("--recipe", tiny.recipe, "--data", tiny.data, "--out", tiny.store, "--workers", "1")
    assert command("build_corpus.py", *line, "--without", "own").returncode == 0
    page = difference_report(difference(tiny.ref, str(tiny.store / "refs/tiny/1.0.0+without.own"))).decode()
    assert "that of a with" not in page
    assert "its source is not there" in page


def test_a_public_page_has_no_samples_and_no_urls(two: Two) -> None:
    found = difference(*two.refs)
    page = difference_report(found, public=True).decode()
    assert found.documents is not None and found.divergence is not None
    ids = [one.doc_id for group in found.documents.removed for one in group.examples]
    for private in (*ids, found.divergence.doc_id, "example.org", "alert(document", "blockquote>", "doc:"):
        assert private not in page
    assert "removed: too few words" in page and "[URL]" in page


def test_a_page_stays_small_however_much_differs(two: Two) -> None:
    found = difference(*two.refs)
    assert found.documents is not None
    many = tuple(Change(f"source.s{number}.title", '"' * 5000, '"' * 5000) for number in range(900))
    (changed,) = found.documents.changed
    groups = tuple(msgspec.structs.replace(changed, reason=f"s{number}") for number in range(900))
    sources = tuple(msgspec.structs.replace(found.sources[0], name=f"s{number}") for number in range(900))
    documents = msgspec.structs.replace(found.documents, changed=groups)
    more = msgspec.structs.replace(
        found, recipe=many, files=many, environment=many, sources=sources, documents=documents
    )
    page = difference_report(more)
    assert len(page) < 500_000
    words = " ".join(Elements(page.decode()).words)
    assert "and 870 more, which" in words and "885 more are in" in words and "; 870 sources more" in words


def test_a_copy_is_bit_identical(tiny: Tiny, copy_of: Callable[[], Tiny]) -> None:
    page = difference_report(difference(tiny.ref, copy_of().ref)).decode()
    words = Elements(page).words
    assert "grade A: bit-identical" in words and "Every row and every token of the one is in the other." in words
    assert "first divergence" not in page and "line l5" not in page.partition("</style>")[2]


def test_papers_alone_are_logically_identical(copy_of: Callable[[], Tiny]) -> None:
    tiny = copy_of()
    page = difference_report(
        difference(tiny.ref, built(tiny, "2", "--set", "source.own.licence=CC0-1.0"))
    ).decode()
    words = Elements(page).words
    assert "grade B: logically identical" in words
    assert "source.own.licence" in words and '"CC0-1.0"' in words


def test_what_nothing_explains_is_said_first(tiny: Tiny, copy_of: Callable[[], Tiny]) -> None:
    copy = copy_of()
    reseal(copy, "documents", edit_third_text, "map-00000-0000.text.arrow")
    page = difference_report(difference(tiny.ref, copy.ref)).decode()
    words = Elements(page).words
    assert "grade F: UNEXPLAINED" in words
    assert "Nothing recorded explains: stage documents." in words
    assert "first divergence: nothing recorded explains it" in words
    assert_harmless(page)


def test_changes_are_said_as_a_person_reads_them() -> None:
    said = [change_in_words(*pair) for pair in ((4948, 4400), (100, 103), (10**6, 10**6 - 70), (0, 3), (3, 0))]
    assert said == ["−11.1%", "+3.0%", "−0.007%", "new", "gone"]
    assert (change_in_words(5, 5), change_in_words(10**9, 10**9 + 1)) == ("the same", "+<0.001%")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_a_browser_draws_it(page: str, tmp_path: Path, width: int, dark: bool) -> None:
    assert_drawn(page, tmp_path, width, dark)
