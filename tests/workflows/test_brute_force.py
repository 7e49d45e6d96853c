"""The benchmark of near-duplicates says what is wrong, where something is."""

import sys
from itertools import combinations
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "workflows" / "benchmarks"

sys.path.insert(0, str(BENCHMARKS))
import duplicates as brute_force  # noqa: E402

sys.path.remove(str(BENCHMARKS))

WORDS = [f"w{number}".encode() for number in range(104)]
SAME, LAST, OTHER = (b" ".join(words) for words in (WORDS, [*WORDS[:-1], b"x"], [*WORDS[:90], *[b"y"] * 14]))
TEXTS = {b"a": SAME, b"b": LAST, b"c": OTHER, b"d": SAME.upper().replace(b" ", b"\n"), b"e": SAME}
KEPT, EXACT, NEAR = 0, 40, 41


def corpus(
    verdicts: dict[bytes, tuple[int, bytes, int, int]], edges: set[tuple[bytes, bytes]]
) -> brute_force.Corpus:
    rows = {each: brute_force.Verdict(KEPT, b"", b"", 0, 0) for each in TEXTS}
    for each, (drop, winner, shared, union) in verdicts.items():
        rows[each] = brute_force.Verdict(drop, winner, winner, shared, union)
    return brute_force.Corpus("t@1", 5, 95, "direct", TEXTS, {}, rows, frozenset(edges))


def test_true_drops_pass() -> None:
    verdicts = {b"b": (NEAR, b"a", 99, 101), b"e": (EXACT, b"a", 0, 0), b"d": (NEAR, b"a", 100, 100)}
    assert brute_force.wrong_drops(corpus(verdicts, set())) == []


def test_a_drop_below_the_threshold_is_named() -> None:
    (wrong,) = brute_force.wrong_drops(corpus({b"c": (NEAR, b"a", 86, 105)}, set()))
    assert "dropped at Jaccard 86/105" in wrong


def test_a_false_measurement_is_named() -> None:
    (wrong,) = brute_force.wrong_drops(corpus({b"b": (NEAR, b"a", 100, 101)}, set()))
    assert "Jaccard 99/101, the ledger says 100/101" in wrong


def test_a_false_exact_duplicate_is_named() -> None:
    (wrong,) = brute_force.wrong_drops(corpus({b"d": (EXACT, b"a", 0, 0)}, set()))
    assert "another text" in wrong


def test_a_chain_of_drops_is_named() -> None:
    verdicts = {b"b": (NEAR, b"a", 99, 101), b"e": (NEAR, b"b", 99, 101)}
    (wrong,) = brute_force.wrong_drops(corpus(verdicts, set()))
    assert "not kept" in wrong


def test_all_pairs_are_the_pairs_one_by_one() -> None:
    some = corpus({}, set())
    found = brute_force.all_pairs(some, sorted(TEXTS))
    assert found == brute_force.measured(some, combinations(sorted(TEXTS), 2))
    assert found[b"a", b"b"] == (99, 101)


def test_what_became_of_pairs() -> None:
    some = corpus({b"e": (EXACT, b"a", 0, 0), b"b": (NEAR, b"a", 99, 101)}, {(b"a", b"b")})
    pairs = brute_force.all_pairs(some, sorted(TEXTS))
    assert [some.outcome(b"a", b"e"), some.outcome(b"b", b"e"), some.outcome(b"b", b"d")] == [
        "same text",
        "joined",
        "dropped",
    ]
    _, total, found = brute_force.by_jaccard(some, pairs)
    # a-d and d-e are near-duplicates that nobody found.
    assert (total, found) == (5, 3)
