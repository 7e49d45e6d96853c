"""The report: what it says is so, what strangers wrote does nothing, and it looks the same every time."""

from __future__ import annotations

import json
import random
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from raw_data import near_copy, prose
from strangers_words import EVIL, Elements, assert_drawn, assert_harmless
from tiny_corpus import Tiny, command

from corpus.manifest import load_manifest, read_ref
from pipelines.auditing.sampling import addresses
from pipelines.reports.corpus_report import report

RECIPE = """
name = "hostile"
version = "1.0.0"
description = "<b>bold</b>"
[[input]]
name = "lines"
reader = "jsonl"
files = ["*.jsonl"]
sources = { "*" = "lines" }
facts = { url = "url", date = "date" }
[[source]]
name = "lines"
title = "</title><script>alert(1)</script>"
holder = "\\u202e holder"
licence = "MIT\\"><script>alert(1)</script>"
status = "withdrawn </dd><script>alert(1)</script>"
[text.filters]
min_words = 20
[duplicates]
threshold_percent = 80
"""


class Hostile(NamedTuple):
    """A corpus of hostile documents, and where its raw files lie."""

    data: Path
    ref: str


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Hostile:
    root = tmp_path_factory.mktemp("hostile")
    (root / "data").mkdir()
    draw = random.Random(7)
    texts = [prose(draw, 120) for _ in range(40)]
    texts += [near_copy(text, 50) for text in texts[:10]]  # .91 alike
    texts += [near_copy(near_copy(near_copy(text, 20), 50), 80) for text in texts[10:30]]  # .77
    texts += texts[30:35]
    texts += [f"{evil} {prose(draw, 60)}" for evil in EVIL] + [f"{evil} too short" for evil in EVIL]
    texts += [texts[-7], texts[-7]]  # the last of EVIL, twice more
    texts.append("long " * 1_000_000)
    with open(root / "data" / "a.jsonl", "w", encoding="utf-8") as file:
        for number, text in enumerate(texts):
            host = 'evil.example"><script>' if number % 3 == 0 else "news.example.org"
            date = f"2020-01-{number % 28 + 1:02d}T00:00:00Z"
            file.write(json.dumps({"text": text, "url": f"https://{host}/{number}", "date": date}) + "\n")
        file.write('{"text": "<script>broken\n')
    (root / "recipe.toml").write_text(RECIPE)
    store = root / "store"
    done = command(
        "build_corpus.py",
        "--recipe",
        root / "recipe.toml",
        "--data",
        root / "data",
        "--out",
        store,
        "--workers",
        "1",
    )
    assert done.returncode == 0, done.stderr
    return Hostile(root / "data", str(store / "refs" / "hostile" / "1.0.0"))


@pytest.fixture(scope="module")
def page(hostile: Hostile) -> str:
    """The report with the raw files at hand."""
    return report(hostile.ref, str(hostile.data)).decode()


def test_hostile_documents_do_nothing(page: str) -> None:
    assert_harmless(page)
    # they are shown all the same, in words
    assert any("<script>alert(document.domain)</script>" in words for words in Elements(page).words)


def test_what_looks_personal_is_left_out(page: str) -> None:
    for private in ("someone.private", "7946", "192.0.2.17"):
        assert private not in page
    assert "[e-mail]" in page and "[telephone]" in page and "[IP address]" in page


def test_the_command_writes_the_same_bytes_each_time(hostile: Hostile, page: str, tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    done = command("audit.py", "report", hostile.ref, "--out", out, "--data", hostile.data, PYTHONHASHSEED="9")
    assert done.returncode == 0, done.stderr
    assert out.read_text(encoding="utf-8") == page


def test_both_sides_of_each_threshold_are_shown(page: str) -> None:
    assert "nearest misses: words at least 20" in page
    refused, passed = page.split("nearest misses: words at least 20")[1].split("<h3>passed</h3>")[:2]
    values = [int(value) for value in re.findall(r"<b>(\d+)</b>", refused)]
    assert values and all(value < 20 for value in values) and values == sorted(values, reverse=True)
    nearest = [int(value) for value in re.findall(r"<b>(\d+)</b>", passed)]
    assert nearest and all(value >= 20 for value in nearest)
    below, above = page.split("not duplicates, barely")[1].split("duplicates, barely")[:2]
    shared = [
        [int(a) / int(b) for a, b in re.findall(r"<b>(\d+) of (\d+) shingles", side)] for side in (below, above)
    ]
    assert shared[0] and max(shared[0]) < 0.8 and shared[1] and min(shared[1]) >= 0.8


def largest_clusters(page: str) -> str:
    return page.split("<summary>The largest</summary>")[1].split("</table>")[0]


def test_a_cluster_shows_what_stayed_of_it(hostile: Hostile, page: str) -> None:
    rows = re.findall(r"<tr><td.*?>(\w{32})</td><td>(\d+)</td><td.*?>(.*?)</td></tr>", largest_clusters(page))
    assert rows[0][1] == "3"
    assert rows[0][2].startswith("write to [e-mail] or call [telephone] from [IP address] ")
    assert [row[1] for row in rows] == sorted((row[1] for row in rows), reverse=True)
    with open(hostile.data / "a.jsonl", encoding="utf-8") as file:
        written = [json.loads(line)["text"] for line in file if "script>broken" not in line]
    for doc_id, _, shown in rows[1:4]:  # a near copy begins as its original does
        likely = [text for text in written if " ".join(text.split()).startswith(shown.removesuffix("…"))]
        told = [command("audit.py", "explain", hostile.ref, f"text:{text}").stdout for text in likely]
        assert any(doc_id in said for said in told)


def test_a_source_says_whether_it_may_be_had(page: str) -> None:
    assert "<dt>status</dt><dd>withdrawn &lt;/dd&gt;&lt;script&gt;" in page


def test_without_the_raw_files_it_says_what_is_missing(hostile: Hostile) -> None:
    page = report(hostile.ref).decode()
    assert "The store keeps no text of what a rule refused" in page


def test_a_public_report_has_no_samples_and_no_urls(hostile: Hostile) -> None:
    page = report(hostile.ref, str(hostile.data), public=True).decode()
    for private in (
        "What was dropped",
        "example.org",
        "evil.example",
        "alert(document",
        "shared</b>",
        "Ten tokens",
    ):
        assert private not in page
    assert "<td>3</td></tr>" in largest_clusters(page)
    assert "What is not known" in page


def test_the_numbers_are_the_manifest_s(tiny: Tiny) -> None:
    manifest = load_manifest(*read_ref(tiny.ref))
    words = Elements(report(tiny.ref).decode()).words
    for balance in manifest.sources:
        if balance.name in {source.name for source in manifest.recipe.source}:
            for number in (balance.documents, balance.kept, balance.raw_bytes, balance.text_bytes):
                assert f"{number:,}" in words
    assert f"sha256:{manifest.digest()}" in words
    assert f"{sum(shard.tokens for shard in manifest.shards):,} tokens" in words
    for address in addresses(manifest, manifest.digest(), 10):
        assert address in words


def test_a_source_s_days_are_those_of_its_documents(page: str) -> None:
    """Of thirty days in turn; days, whatever the hour their records name."""
    assert "<dt>dates</dt><dd>2020-01-01 to 2020-01-28</dd>" in page


def test_a_broken_store_has_no_report(tiny: Tiny, tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(tiny.store, store)
    (entry,) = (store / "history").iterdir()
    entry.write_bytes(entry.read_bytes().replace(b'"action":"seal', b'"action":"sign'))
    done = command("audit.py", "report", store / "refs" / "tiny" / "1.0.0", "--out", tmp_path / "r.html")
    assert done.returncode == 1 and "Traceback" not in done.stderr and not (tmp_path / "r.html").exists()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_a_browser_draws_it(page: str, tmp_path: Path, width: int, dark: bool) -> None:
    assert_drawn(page, tmp_path, width, dark)
