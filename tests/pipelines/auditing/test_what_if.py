"""What-if: a corpus is really built with the changed recipe, and the truth lies where the answer said."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from raw_data import near_copy, prose
from tiny_corpus import Tiny, command

from corpus.errors import RecipeError
from corpus.manifest import Manifest, load_manifest, read_ref
from pipelines.auditing.what_if import Outcome, what_if

CHANGES = (
    "text.filters.min_words=350",
    "source.wikipedia.text.filters.min_words=400",
    "source.wikipedia.text.filters.max_bytes=1600",
    "source.own.text.filters.min_words=1",
    "text.filters.min_letters_percent=100",
)

ALIKE = """
name = "alike"
version = "1"
[[input]]
name = "own"
reader = "jsonl"
files = ["own/*.jsonl"]
sources = { "*" = "own" }
[[source]]
name = "own"
[duplicates]
threshold_percent = 99
"""


def outcomes(ref: str, *overrides: str) -> dict[str, Outcome]:
    return {outcome.name: outcome for outcome in what_if(ref, overrides).outcomes}


def passing(manifest: Manifest, store: str, source: int) -> tuple[int, int]:
    """Documents and bytes that reached the duplicates stage, from the ledger of a real build, by pyarrow."""
    ledgers = sorted(Path(manifest.stage_folder(store, "verdicts")).glob("*ledger.parquet"))
    rows = pq.read_table(ledgers, columns=["source", "drop", "text_bytes"]).to_pylist()
    sizes = [row["text_bytes"] for row in rows if row["source"] == source and row["drop"] in (0, 40, 41, 42)]
    return len(sizes), sum(sizes)


@pytest.fixture(params=CHANGES)
def changed(request: pytest.FixtureRequest, copy_of: Callable[[], Tiny]) -> tuple[str, Tiny, Manifest]:
    tiny = copy_of()
    built = command(
        "build_corpus.py",
        *("--recipe", tiny.recipe, "--data", tiny.data, "--out", tiny.store, "--workers", "1"),
        *("--set", request.param, "--set", "version=2"),
    )
    assert built.returncode == 0, built.stderr
    return request.param, tiny, load_manifest(*read_ref(str(tiny.store / "refs/tiny/2")))


def test_the_truth_of_a_real_build_lies_within(changed: tuple[str, Tiny, Manifest]) -> None:
    override, tiny, manifest = changed
    found = outcomes(tiny.ref, override)
    total = [0, 0, 0]
    for number, balance in enumerate(manifest.sources[:4]):
        tokens = sum(shard.tokens for shard in manifest.shards if shard.source == balance.name)
        truth = balance.kept, balance.text_bytes, tokens
        outcome = found[balance.name]
        assert outcome.passing == passing(manifest, str(tiny.store), number)
        total = [a + b for a, b in zip(total, truth, strict=True)]
        for least, value, most in zip(outcome.least, truth, outcome.most, strict=True):
            assert least <= value <= most
    everything = found["all"]
    for least, value, most in zip(everything.least, total, everything.most, strict=True):
        assert least <= value <= most


def test_nothing_changed_is_exact(tiny: Tiny) -> None:
    for override in ("text.filters.min_words=1", "seed=7", "source.own.licence=CC0-1.0"):
        for outcome in outcomes(tiny.ref, override).values():
            assert outcome.least == outcome.most == outcome.kept


def test_a_document_that_is_freed_is_reckoned_with(tiny: Tiny) -> None:
    """Of near copies the one in wikipedia goes: the other may stay, and more is kept of its source than before."""
    found = outcomes(tiny.ref, "source.wikipedia.text.filters.min_words=400")["pile-cc"]
    assert found.most[0] > found.kept[0]


def test_what_was_compared_and_found_to_differ_is_no_tie(tmp_path: Path) -> None:
    """Of three texts alike, none enough, the shortest goes: the others stay as they were, and that is certain."""
    text = prose(random.Random(3), 300)
    texts = [near_copy(text, 50), near_copy(text, 150), text.rpartition(" ")[0]]
    (tmp_path / "own").mkdir()
    (tmp_path / "own/a.jsonl").write_text("".join(json.dumps({"text": each}) + "\n" for each in texts))
    recipe = tmp_path / "alike.toml"
    recipe.write_text(ALIKE)
    built = command(
        "build_corpus.py", *("--recipe", recipe, "--data", tmp_path, "--out", tmp_path / "store", "--workers", "1")
    )
    assert built.returncode == 0, built.stderr
    ref = str(tmp_path / "store/refs/alike/1")
    store, digest = read_ref(ref)
    assert load_manifest(store, digest).stage("evidence").counts["pairs_below"] == 3
    (found, _) = what_if(ref, ["text.filters.min_words=300"]).outcomes
    assert (found.kept[0], found.least[0], found.most[0]) == (3, 2, 2)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("duplicates.threshold_percent=90", "other pairs are compared"),
        ("duplicates.seed=2", "other pairs are compared"),
        ("text.normalise=[]", "every text"),
        ("input.own.text_field=text", "other records"),
        ("tokens.vocabulary=other", "another vocabulary"),
        ('text.language.keep=["en"]', "languages"),
    ],
)
def test_what_cannot_be_told_needs_a_run(tiny: Tiny, override: str, words: str) -> None:
    found = what_if(tiny.ref, [override])
    assert found.outcomes == ()
    assert any(words in reason for reason in found.reasons)


def test_a_wrong_key_is_an_error(tiny: Tiny) -> None:
    with pytest.raises(RecipeError, match="did you mean `min_words`"):
        what_if(tiny.ref, ["text.filters.min_wrds=4"])
    done = command("audit.py", "what-if", tiny.ref, "--set", "text.filters.min_words=350")
    assert done.returncode == 0, done.stderr
    assert "at least .. at most" in done.stdout
