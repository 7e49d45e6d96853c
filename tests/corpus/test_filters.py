"""The filters: measured values against plain Python, and every reason at both sides of its threshold."""

from __future__ import annotations

import hashlib
import re
from fractions import Fraction
from math import floor

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.document import Texts
from corpus.drops import Drop
from corpus.filters import FILTER_VERSIONS, FilterRules, Judgement, judge

pieces = st.lists(st.sampled_from(["a", "Z", "7", "@[`{", " ", "\n", "\n\n", "é", "\t", "one line\n", "-- 12"]))
documents = st.one_of(st.text(max_size=80), pieces.map("".join))
thresholds = st.builds(
    FilterRules,
    min_words=st.integers(0, 5),
    max_bytes=st.integers(0, 40),
    min_letters_percent=st.integers(0, 100),
    max_repeated_lines_percent=st.integers(0, 100),
)


def rows(judgement: Judgement) -> list[tuple[int, ...]]:
    columns = (judgement.drop, judgement.words, judgement.size)
    return list(zip(*columns, judgement.letters_percent, judgement.repeated_lines_percent, strict=True))


def measure(*texts: str, rules: FilterRules | None = None) -> list[tuple[int, ...]]:
    return rows(judge(Texts.from_list([t.encode() for t in texts]), rules or FilterRules()))


def verdict(text: str, **thresholds: int) -> Drop:
    return Drop(measure(text, rules=FilterRules(**thresholds))[0][0])


def plainly(text: str, rules: FilterRules) -> tuple[int, ...]:
    words = [word for word in re.split("[ \n]", text) if word]
    lettered = sum(1 for word in words if re.search("[A-Za-z\x80-\U0010ffff]", word))
    lines = [line for line in text.split("\n") if line.strip(" ")]
    letters = floor(Fraction(100 * lettered, len(words) or 1))
    repeated = floor(Fraction(100 * (len(lines) - len(set(lines))), len(lines) or 1))
    size = len(text.encode())
    if not words:
        drop = Drop.EMPTY
    elif len(words) < rules.min_words:
        drop = Drop.TOO_FEW_WORDS
    elif rules.max_bytes and size > rules.max_bytes:
        drop = Drop.TOO_MANY_BYTES
    elif letters < rules.min_letters_percent:
        drop = Drop.TOO_FEW_LETTERS
    elif repeated > rules.max_repeated_lines_percent:
        drop = Drop.REPEATED_LINES
    else:
        drop = Drop.KEPT
    return drop, len(words), size, letters, repeated


@given(st.lists(documents, max_size=8), thresholds)
@settings(max_examples=1000)
def test_against_plain_python(texts: list[str], rules: FilterRules) -> None:
    assert measure(*texts, rules=rules) == [plainly(text, rules) for text in texts]


@given(st.lists(documents, max_size=6), thresholds)
@settings(max_examples=300)
def test_a_document_alone_is_as_in_any_batch(texts: list[str], rules: FilterRules) -> None:
    assert measure(*texts, rules=rules) == [measure(text, rules=rules)[0] for text in texts]


def test_every_byte_of_a_word() -> None:
    words = [chr(point) for point in range(0x21, 0x7F)]
    letters = [percent for _, _, _, percent, _ in measure(*words)]
    assert letters == [100 if word.isalpha() else 0 for word in words]
    assert measure("é", "—", "。") == [(Drop.KEPT, 1, size, 100, 0) for size in (2, 3, 3)]


def test_many_lines_in_any_order() -> None:
    lines = [f"line {i % 700}" for i in range(1000)]
    shuffled = [lines[i] for i in np.random.default_rng(7).permutation(1000)]
    assert [row[4] for row in measure("\n".join(lines), "\n".join(shuffled))] == [30, 30]


class TestEveryReasonAtItsThreshold:
    def test_empty(self) -> None:
        assert [verdict(text) for text in ("", " \n ", ".")] == [Drop.EMPTY, Drop.EMPTY, Drop.KEPT]

    def test_too_few_words(self) -> None:
        assert verdict("one two", min_words=3) is Drop.TOO_FEW_WORDS
        assert verdict("one two three", min_words=3) is Drop.KEPT

    def test_too_many_bytes(self) -> None:
        assert verdict("é" * 5 + "a", max_bytes=10) is Drop.TOO_MANY_BYTES
        assert verdict("é" * 5, max_bytes=10) is Drop.KEPT

    def test_too_few_letters(self) -> None:
        assert verdict("a b c " + "1 " * 2, min_letters_percent=61) is Drop.TOO_FEW_LETTERS
        assert verdict("a b c " + "1 " * 2, min_letters_percent=60) is Drop.KEPT
        assert verdict("a b 1", min_letters_percent=67) is Drop.TOO_FEW_LETTERS  # 66.7 is 66
        assert verdict("a b 1", min_letters_percent=66) is Drop.KEPT

    def test_repeated_lines(self) -> None:
        assert verdict("a\na\nb\n\nb\nc", max_repeated_lines_percent=39) is Drop.REPEATED_LINES
        assert verdict("a\na\nb\n\nb\nc", max_repeated_lines_percent=40) is Drop.KEPT
        assert verdict("a\nb\na", max_repeated_lines_percent=32) is Drop.REPEATED_LINES  # 33.3 is 33
        assert verdict("a\nb\na", max_repeated_lines_percent=33) is Drop.KEPT

    def test_the_first_rule_that_refuses_gives_the_reason(self) -> None:
        strict = FilterRules(min_words=4, max_bytes=20, min_letters_percent=90, max_repeated_lines_percent=10)
        texts = ["", "1\n1\n1", "1\n1\n1\n" + "1" * 20, "1\n1\n1\n1", "a\na\na\na", "a b c d"]
        assert [row[0] for row in measure(*texts, rules=strict)] == [*sorted(FILTER_VERSIONS), Drop.KEPT]

    def test_by_default_only_the_empty_are_dropped(self) -> None:
        texts = ["", "1", "1\n" * 1000, "1" * 100_000]
        assert [row[0] for row in measure(*texts)] == [Drop.EMPTY, Drop.KEPT, Drop.KEPT, Drop.KEPT]


def test_no_texts() -> None:
    judgement = judge(Texts.from_list([]), FilterRules())
    assert len(judgement) == 0
    assert [judgement.drop.dtype.name, judgement.words.dtype.name] == ["uint8", "int32"]


@pytest.mark.parametrize("recipe", [b'{"min_words": -1}', b'{"min_letters_percent": 101}', b'{"min_word": 1}'])
def test_a_recipe_out_of_range_is_refused(recipe: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(recipe, type=FilterRules)


def test_output_moves_only_with_the_version() -> None:
    words = ["a", "1", "é", "{x}", "--", "\n", "\n\n", " ", "same line\n", "3.14", "\t"]
    probe = ["".join(words[(i * j + i // 7) % 11] for j in range(i % 40)) for i in range(500)]
    rules = FilterRules(min_words=3, max_bytes=60, min_letters_percent=40, max_repeated_lines_percent=30)
    values = "\n".join(",".join(map(str, map(int, row))) for row in measure(*probe, rules=rules))
    assert {row.split(",")[0] for row in values.split("\n")} == {
        str(int(d)) for d in (Drop.KEPT, *FILTER_VERSIONS)
    }
    assert set(FILTER_VERSIONS.values()) == {1}, "freeze the digest of the new versions here"
    assert hashlib.sha256(values.encode()).hexdigest()[:16] == "1a3ca99ea5c59716", (
        "a filter moved: bump its version"
    )
