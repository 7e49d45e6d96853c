"""What is open is what stands in the exports, and a person's answers close it under their name."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_corpus import Tiny, command

from corpus.errors import RecipeError
from pipelines.exports.formats import DESCRIBED, export
from pipelines.exports.lint import describe, lint
from pipelines.exports.questions import QUESTIONS, Answers, load_answers
from pipelines.sealed_corpus import load_sealed_corpus

EVERYTHING = Answers(answered_by="Ann of Example Lab", answers=dict.fromkeys(QUESTIONS, "as decided in writing"))


def open_questions(tiny: Tiny, answers: Answers) -> set[str]:
    return {concerns for kind, concerns, _ in lint(load_sealed_corpus(tiny.ref), answers) if kind == "NEEDS HUMAN"}


def test_what_is_listed_is_what_stands_in_the_exports(tiny: Tiny) -> None:
    corpus = load_sealed_corpus(tiny.ref)
    texts = [export(corpus, name, Answers()).decode() for name in DESCRIBED if name != "croissant"]
    marked = {key for text in texts for key in re.findall(r"\*\*NEEDS HUMAN\*\* \(`([^`]+)`\)", text)}
    # Croissant marks values, and asks for the licence and the page that it has another word for.
    assert open_questions(tiny, Answers()) == marked | {"corpus.homepage", "corpus.licence"}
    assert open_questions(tiny, Answers()) == set(QUESTIONS)


@pytest.mark.parametrize("name", DESCRIBED)
def test_answers_stand_under_a_name(tiny: Tiny, name: str) -> None:
    text = export(load_sealed_corpus(tiny.ref), name, EVERYTHING).decode()
    assert "NEEDS HUMAN" not in text.replace("marked NEEDS HUMAN is for the provider", "")
    assert "as decided in writing" in text
    if name != "croissant":
        assert "answered by Ann of Example Lab" in text


def test_one_answer_closes_one_question(tiny: Tiny) -> None:
    answers = Answers(answered_by="Ann", answers={"eu.provider": "Example Lab"})
    assert set(QUESTIONS) - open_questions(tiny, answers) == {"eu.provider"}


def test_strict_fails_while_anything_is_open(tiny: Tiny) -> None:
    done = command("audit.py", "lint", tiny.ref)
    assert done.returncode == 0
    assert re.search(
        r"open of tiny@1.0.0: .*1 unsigned, 4 NOASSERTION, 4 blank, 4 unknown, 47 NEEDS HUMAN", done.stdout
    )
    assert command("audit.py", "lint", tiny.ref, "--strict").returncode == 1
    assert describe([], "tiny@1.0.0") == "nothing is open of tiny@1.0.0"


def test_a_build_that_hashed_its_own_inputs_is_unpinned(tiny: Tiny) -> None:
    """The tiny corpus has no lock; the same run with one has no stage `pin`."""
    corpus = load_sealed_corpus(tiny.ref)
    assert "unpinned" in {kind for kind, _, _ in lint(corpus, Answers())}
    run = {**corpus.run, "cpu_seconds": {"documents": 1.0}, "reused": []}
    predicate = {"buildDefinition": {"internalParameters": run}, "runDetails": {}}
    held = replace(corpus, statement={"predicate": predicate})
    assert "unpinned" not in {kind for kind, _, _ in lint(held, Answers())}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ({}, "unknown"),
        ({"commit": "c" * 40, "difference": "d" * 64}, "dirty"),
        ({"commit": "c", "difference": "none"}, ""),
    ],
)
def test_the_state_of_the_code_is_told(tiny: Tiny, code: dict[str, str], kind: str) -> None:
    corpus = load_sealed_corpus(tiny.ref)
    predicate = {"buildDefinition": {"internalParameters": {**corpus.run, "code": code}}, "runDetails": {}}
    found = lint(replace(corpus, statement={"predicate": predicate}), Answers())
    assert [k for k, concerns, _ in found if concerns == "code"] == ([kind] if kind else [])


def test_a_signature_closes_one(copy_of: Callable[[], Tiny], tmp_path: Path) -> None:
    tiny = copy_of()
    key = tmp_path / "key.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True, capture_output=True)
    assert command("audit.py", "sign", tiny.ref, "--key", key).returncode == 0
    assert "unsigned" not in {kind for kind, _, _ in lint(load_sealed_corpus(tiny.ref), Answers())}


def test_answers_are_read_strictly(tmp_path: Path) -> None:
    path = tmp_path / "answers.toml"
    path.write_text('answered_by = "Ann"\n[answers]\n"eu.provider" = "Example Lab"\n')
    assert load_answers(str(path)).answers == {"eu.provider": "Example Lab"}
    for text, words in (
        ('answered_by = "Ann"\n[answers]\n"eu.providr" = "x"\n', "did you mean: eu.provider"),
        ('[answers]\n"eu.provider" = "x"\n', "nobody answers"),
        ('answered_by = "Ann"\n[answers]\n"eu.provider" = 3\n', "wrong"),
        ('answered_bye = "Ann"\n', "answered_by"),
        ("answered_by = ", "TOML"),
    ):
        path.write_text(text)
        with pytest.raises(RecipeError) as error:
            load_answers(str(path))
        assert words in str(error.value)
    done = command("audit.py", "lint", "build/refs/x/1", "--answers", tmp_path / "nowhere.toml")
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 3)
