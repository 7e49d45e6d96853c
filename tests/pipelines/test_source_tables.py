"""What a person is told of sources: the table, the reconciliation, and the error where a source is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tiny_corpus import Tiny, command, digest_of

from corpus.recipe import Recipe, load_recipe
from corpus.source import Blob, Found
from corpus.source_catalogue import Catalogue, load_catalogue
from pipelines.reconciliation import reconciliation

ROOT = Path(__file__).resolve().parents[2]
OPT = ROOT / "workflows/recipes/opt.toml"
FILES = (
    "pile/train/00.jsonl.zst",
    "reddit/comments/RC_2005-12",
    "roberta/bookcorpus/books_large_p1.txt",
    "roberta/cc_stories/a.txt",
)
KNOWN = """
[paper]
text_bytes = { value = 1, source = "nobody" }
tokens = { value = 1, source = "nobody" }
"""


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Files that are only there, of all of OPT's inputs but the news."""
    for name in FILES:
        path = tmp_path / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1000)
    return tmp_path / "raw"


def paragraph(printed: str, name: str) -> list[str]:
    return next(part for part in printed.split("\n\n") if part.splitlines()[0] == name).splitlines()


def test_the_table_lists_what_is_here_and_what_is_not(raw: Path, tmp_path: Path) -> None:
    done = command("build_corpus.py", "sources", "--recipe", OPT, "--data", raw, "--pins", tmp_path / "none")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:5] == [
        "source          status               raw   documents      text   tokens       here    size  pinned",
        "--------------  ---------------  -------  ----------  --------  -------  ---------  ------  ------",
        "wikipedia       withdrawn        unknown   6,033,151    6.8 GB    1.6B~    1 files  1.0 kB      no",
        "gutenberg       withdrawn        unknown      28,602   11.7 GB    3.1B~    1 files  1.0 kB      no",
        "uspto           withdrawn        unknown   5,883,037   24.6 GB    5.2B~    1 files  1.0 kB      no",
    ]
    assert "not found: input ccnews, `roberta/ccnews/crawl-data/CC-NEWS/**/*.warc.gz`" in done.stdout
    assert paragraph(done.stdout, "cc-stories") == [
        "cc-stories",
        "  CC-Stories: The hundredth of Common Crawl's documents that share most n-grams with Winograd",
        "    schemas (Trinh and Le 2018)",
        "  holder: the pages' authors; licence NOASSERTION (https://arxiv.org/abs/1806.02847)",
        "  withdrawn since 2022-02 at the latest: its bucket, public in 2019-02, no longer gives it out",
        "    (https://huggingface.co/datasets/spacemanidol/cc-stories)",
        "  lawful substitute: Common Crawl, in the place of Pile-CC, OpenWebText2 and CC-Stories (what it was",
        "    chosen from; the choice would have to be made again)",
    ]
    assert max(len(line) for line in done.stdout.splitlines() if str(tmp_path) not in line) <= 110


def test_the_table_knows_pins(tiny: Tiny, tmp_path: Path) -> None:
    lock = tmp_path / "lock.json"
    said = ["sources", "--recipe", tiny.recipe, "--data", tiny.data, "--pins", lock]
    assert "not locked" in command("build_corpus.py", *said).stdout
    printed = command("build_corpus.py", *said, "--pin").stdout
    assert f"locked in {lock}" in printed
    assert "the catalogue does not know it" in printed
    assert all(line.endswith("yes") for line in printed.splitlines()[2:] if line.startswith("wikipedia "))


def test_a_missing_source_says_what_is_known_of_it_and_no_more(raw: Path, tmp_path: Path) -> None:
    """The golden transcript of the error."""
    done = command("build_corpus.py", "--recipe", OPT, "--data", raw, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: CCNews v2: not here, and never published: its makers do not distribute it",
        f"   at: {raw}: no file matches `roberta/ccnews/crawl-data/CC-NEWS/**/*.warc.gz` of input `ccnews`",
        "   do: name the folder that holds them with --data, or take what is lawful: cc-news (`sources` tells "
        "how), or build --without ccnews",
    ]
    assert not (tmp_path / "out").exists()


def test_all_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "reddit" / "comments").mkdir(parents=True)
    (tmp_path / "reddit" / "comments" / "RC_2005-12").write_bytes(b"x")
    done = command("build_corpus.py", "--recipe", OPT, "--without", "ccnews", "--data", tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: not here: BookCorpus (withdrawn since 2016-11), CC-Stories (withdrawn since 2022-02 at the "
        "latest), the Pile (withdrawn since 2023-08)",
        f"   at: {tmp_path}: no file matches `roberta/bookcorpus/books_large_p*.txt` of input `bookcorpus`, nor "
        "what 2 other inputs name",
        "   do: name the folder that holds them with --data, or take what is lawful: pg19, common-crawl, "
        "wikipedia-dump, uspto-grants, mathematics, hacker-news-api (`sources` tells how), or build --without "
        "bookcorpus cc-stories wikipedia gutenberg uspto openwebtext2 hackernews opensubtitles dm-mathematics "
        "pile-cc",
    ]


def test_where_all_is_missing_nothing_can_be_left_out(tmp_path: Path) -> None:
    done = command("build_corpus.py", "--recipe", OPT, "--data", tmp_path)
    assert done.returncode == 2 and "--without" not in done.stderr


def test_what_nothing_lawful_replaces_is_said(tmp_path: Path) -> None:
    others = [source.name for source in load_recipe(str(OPT)).source if source.name != "reddit"]
    done = command("build_corpus.py", "--recipe", OPT, "--without", *others, "--data", tmp_path)
    assert "nothing lawful takes its place" in done.stderr


def test_the_reconciliation_names_the_rest_unknown(raw: Path) -> None:
    """The golden transcript of the paper's whole."""
    done = command("build_corpus.py", "--recipe", OPT, "--data", raw, "--dry-run")
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()
    assert rows[2:3] + rows[7:8] + rows[13:17] == [
        "wikipedia           1.0 kB         6.8 GB      0.9%    1.6B~",
        "ccnews                 0 B        unknown            unknown",
        "reddit              1.0 kB        unknown            unknown",
        "known in all                     419.6 GB     52.5%   99.8B~",
        "the paper                        800.0 GB    100.0%   180.0B",
        "residual                         380.4 GB     47.5%   80.2B~",
    ]
    assert "The residual is unknown: what ccnews, reddit hold, which nobody published" in done.stdout


def test_the_reconciliation_adds_up() -> None:
    recipe, catalogue = _ours()
    expected = [known.expected for known in map(catalogue.of, recipe.source) if known]
    known = sum(each.text_bytes.value for each in expected if each.text_bytes)
    said = reconciliation(recipe, Found((Blob("pile", "a", 1),), ()), catalogue)
    assert f"{known / 1e9:.1f} GB" in said and f"{(800 * 10**9 - known) / 1e9:.1f} GB" in said


def _ours() -> tuple[Recipe, Catalogue]:
    return load_recipe(str(OPT)), load_catalogue(str(OPT.with_name("catalogue.toml")))


def test_what_is_known_of_sources_is_no_part_of_a_corpus(tiny: Tiny, tmp_path: Path) -> None:
    other = tmp_path / "catalogue.toml"
    other.write_text(KNOWN)
    done = command(
        "build_corpus.py",
        "--recipe",
        tiny.recipe,
        "--data",
        tiny.data,
        "--out",
        tmp_path / "out",
        "--catalogue",
        other,
    )
    assert digest_of(done.stdout) == tiny.digest


def test_a_lock_of_all_serves_a_union_of_less(tiny: Tiny, tmp_path: Path) -> None:
    lock, sources = tmp_path / "lock.json", load_recipe(str(tiny.recipe)).source
    said = ["--recipe", tiny.recipe, "--data", tiny.data, "--pins", lock]
    assert command("build_corpus.py", "sources", *said, "--pin").returncode == 0
    first, last = sources[0].name, sources[-1].name
    done = command("build_corpus.py", *said, "--out", tmp_path / "out", "--without", first, "--without", last)
    assert f"sealed tiny@1.0.0+without.{first}.{last} sha256:" in done.stdout, done.stderr
    ref = tmp_path / "out" / "refs" / "tiny" / f"1.0.0+without.{first}.{last}"
    assert command("audit.py", "verify", ref).returncode == 0


def test_a_reader_that_leaves_early_is_no_error(tiny: Tiny) -> None:
    line = f"{sys.executable} {ROOT}/pipelines/build_corpus.py sources --recipe {OPT} --data {tiny.data} | head -1"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=600)
    assert done.stderr == ""
