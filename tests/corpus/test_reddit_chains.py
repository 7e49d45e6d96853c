"""Longest chains against a plain-Python oracle, and each rule of the module's docstring by hand."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from corpus.errors import RecipeError
from corpus.readers.reddit import COMMENT, SUBMISSION
from corpus.reddit_chains import ChainRule, Chains, Nodes, longest_chains

BY_COMMENTS = ChainRule()
BY_CHARACTERS = ChainRule("characters")
HEADED = ChainRule(head=True)


class Node(NamedTuple):
    """One row of `Nodes`."""

    thread: int
    kind: int
    id: int
    parent_kind: int
    parent: int
    live: int
    chars: int
    digest: int = 0
    blob: int = 0
    record: int = 0


def comment(own: int, parent: int | None, chars: int = 1, thread: int = 9, **more: int) -> Node:
    """A comment under another, or (None) under its submission; 0 characters make it dead."""
    kind, parent = (SUBMISSION, thread) if parent is None else (COMMENT, parent)
    return Node(thread, COMMENT, own, kind, parent, int(chars > 0), chars, **more)


def submission(thread: int = 9, chars: int = 1, **more: int) -> Node:
    return Node(thread, SUBMISSION, thread, 0, 0, int(chars > 0), chars, **more)


def columns(nodes: Sequence[Node]) -> Nodes:
    dtypes = (
        np.uint64,
        np.uint8,
        np.uint64,
        np.uint8,
        np.uint64,
        np.uint8,
        np.uint32,
        np.uint64,
        np.int64,
        np.int64,
    )
    values: Iterable[Sequence[int]] = zip(*nodes, strict=True) if nodes else [()] * len(dtypes)
    return Nodes(*(np.array(column, dtype) for column, dtype in zip(values, dtypes, strict=True)))


def counts(chains: Chains) -> dict[str, list[int]]:
    """Every count, by name."""
    names = [field.name for field in dataclasses.fields(Chains)]
    return {name: getattr(chains, name).tolist() for name in names if name not in ("thread", "rows", "offsets")}


def documents(nodes: Sequence[Node], chains: Chains) -> dict[int, list[Node]]:
    """The chosen nodes of each thread, in order."""
    ends = chains.offsets.tolist()
    slices = zip(chains.thread.tolist(), ends[:-1], ends[1:], strict=True)
    return {thread: [nodes[row] for row in chains.rows[start:end].tolist()] for thread, start, end in slices}


def chain(nodes: Sequence[Node], rule: ChainRule = BY_COMMENTS) -> list[tuple[int, int]]:
    """(kind, id) of the one chain of one thread."""
    (chosen,) = documents(nodes, longest_chains(columns(nodes), rule)).values()
    return [(node.kind, node.id) for node in chosen]


def comment_ids(nodes: Sequence[Node], rule: ChainRule = BY_COMMENTS) -> list[int]:
    return [own for _, own in chain(nodes, rule)]


# The oracle: dictionaries and whole paths, quadratic, as close to the rules' words as we can write them.


def oracle(nodes: Sequence[Node], rule: ChainRule) -> dict[int, tuple[list[Node], dict[str, int]]]:
    threads: dict[int, list[Node]] = defaultdict(list)
    for node in nodes:
        threads[node.thread].append(node)
    return {thread: oracle_thread(thread, threads[thread], rule) for thread in sorted(threads)}


def oracle_thread(thread: int, read: list[Node], rule: ChainRule) -> tuple[list[Node], dict[str, int]]:
    copies: dict[tuple[int, int], list[Node]] = defaultdict(list)
    for node in read:
        copies[node.kind, node.id].append(node)
    posts = {key: min(group, key=merit) for key, group in copies.items()}
    comments = {own: node for (kind, own), node in posts.items() if kind == COMMENT}
    parents: dict[int, int | None] = {}
    orphans = 0
    for own, node in comments.items():
        is_reply = node.parent_kind == COMMENT and node.parent in comments
        orphans += not is_reply and (node.parent_kind, node.parent) != (SUBMISSION, thread)
        parents[own] = node.parent if is_reply else None
    cycles = {frozenset(loop) for own in comments if (loop := loop_through(own, parents))}
    for cycle in cycles:
        parents[min(cycle)] = None

    best: list[int] = []
    for own in sorted(own for own, node in comments.items() if node.live):
        path = path_to(own, parents)
        if not best or longer(path, comments, rule) > longer(best, comments, rule):
            best = path
    chosen = [comments[own] for own in best if comments[own].live]
    top = posts.get((SUBMISSION, thread))
    head = [top] if rule.head and top is not None and top.live and chosen else []
    live = [node for node in comments.values() if node.live]
    return head + chosen, {
        "submissions_read": sum(node.kind == SUBMISSION for node in read),
        "comments_read": sum(node.kind == COMMENT for node in read),
        "comments": len(comments),
        "live": len(live),
        "chosen": len(chosen),
        "dead_on_chain": len(best) - len(chosen),
        "chars_live": sum(node.chars for node in live),
        "chars_chosen": sum(node.chars for node in chosen),
        "orphans": orphans,
        "cycles": len(cycles),
    }


def merit(node: Node) -> tuple[int, ...]:
    return (-node.live, -node.chars, node.digest, node.blob, node.record)


def loop_through(own: int, parents: dict[int, int | None]) -> list[int]:
    """The cycle this comment is itself on, if it is."""
    seen: list[int] = []
    at: int | None = own
    while at is not None and at not in seen:
        seen.append(at)
        at = parents[at]
    return seen if at == own else []


def path_to(own: int, parents: dict[int, int | None]) -> list[int]:
    path: list[int] = []
    at: int | None = own
    while at is not None:
        path.insert(0, at)
        at = parents[at]
    return path


def longer(path: list[int], comments: dict[int, Node], rule: ChainRule) -> tuple[int, int]:
    live = [comments[own] for own in path if comments[own].live]
    keys = len(live), sum(node.chars for node in live)
    return keys if rule.longest == "comments" else (keys[1], keys[0])


small_ids = st.integers(0, 12)


@st.composite
def arbitrary_nodes(draw: st.DrawFn) -> list[Node]:
    """Few ids, so that parents are found, ids repeat and cycles close; no two rows from the same place."""
    nodes = []
    for record in range(draw(st.integers(0, 60))):
        thread = draw(st.sampled_from([3, 5, 2**64 - 1]))
        chars = draw(st.integers(0, 3))
        more = {"digest": draw(st.integers(0, 2)), "blob": draw(st.integers(0, 1)), "record": record}
        if draw(st.integers(0, 9)) == 0:
            nodes.append(submission(thread, chars, **more))
            continue
        parent_kind = draw(st.sampled_from([COMMENT, COMMENT, COMMENT, SUBMISSION, 0]))
        parent = draw(small_ids) if parent_kind == COMMENT else draw(st.sampled_from([3, 5, thread]))
        live = draw(st.sampled_from([0, 1, 1, 1]))
        nodes.append(Node(thread, COMMENT, draw(small_ids), parent_kind, parent, live, chars * live, **more))
    return nodes


@st.composite
def forests(draw: st.DrawFn) -> list[Node]:
    """Proper trees with deletions: parents come before children, as on Reddit."""
    size = draw(st.integers(1, 80))
    reach = draw(st.integers(1, 80))
    nodes = []
    for own in range(size):
        parent = draw(st.integers(max(0, own - reach), own)) if own else 0
        nodes.append(comment(own, None if parent == own else parent, draw(st.integers(0, 4)), record=own))
    return nodes


rules = st.builds(ChainRule, st.sampled_from(["comments", "characters"]), st.booleans())


@settings(max_examples=400)
@given(st.one_of(arbitrary_nodes(), forests()), rules)
def test_equals_the_oracle(nodes: list[Node], rule: ChainRule) -> None:
    chains = longest_chains(columns(nodes), rule)
    expected = oracle(nodes, rule)
    assert chains.thread.tolist() == list(expected)
    assert documents(nodes, chains) == {thread: chosen for thread, (chosen, _) in expected.items()}
    assert counts(chains) == {name: [row[name] for _, row in expected.values()] for name in counts(chains)}


@given(arbitrary_nodes(), rules, st.randoms(use_true_random=False))
def test_does_not_depend_on_the_order_of_the_rows(nodes: list[Node], rule: ChainRule, random: Any) -> None:
    shuffled = random.sample(nodes, len(nodes))
    chains, again = longest_chains(columns(nodes), rule), longest_chains(columns(shuffled), rule)
    assert documents(nodes, chains) == documents(shuffled, again)
    assert counts(chains) == counts(again)


@given(arbitrary_nodes(), rules)
def test_a_thread_alone_gives_what_it_gives_among_others(nodes: list[Node], rule: ChainRule) -> None:
    together = documents(nodes, longest_chains(columns(nodes), rule))
    for thread, chosen in together.items():
        alone = [node for node in nodes if node.thread == thread]
        assert documents(alone, longest_chains(columns(alone), rule)) == {thread: chosen}


def test_no_nodes_give_no_threads() -> None:
    chains = longest_chains(columns([]), HEADED)
    assert (len(chains), chains.rows.tolist(), chains.offsets.tolist()) == (0, [], [0])


def test_the_longest_in_comments_and_the_longest_in_characters_differ() -> None:
    nodes = [comment(1, None), comment(2, 1), comment(3, 2), comment(4, 1, chars=100)]
    assert comment_ids(nodes) == [1, 2, 3]
    assert comment_ids(nodes, BY_CHARACTERS) == [1, 4]


def test_equal_comments_are_decided_by_characters_then_by_the_smallest_id_at_the_end() -> None:
    nodes = [comment(1, None), comment(5, 1, chars=2), comment(4, 1, chars=3), comment(7, 1, chars=3)]
    assert comment_ids(nodes) == [1, 4]


def test_equal_characters_are_decided_by_comments_then_by_the_smallest_id_at_the_end() -> None:
    nodes = [comment(1, None, chars=4), comment(2, None, chars=2), comment(4, 2, chars=2), comment(3, 2, chars=2)]
    assert comment_ids(nodes, BY_CHARACTERS) == [2, 3]


def test_a_dead_comment_keeps_its_place_and_adds_nothing() -> None:
    nodes = [comment(1, None), comment(2, 1, chars=0), comment(3, 2), comment(4, None), comment(5, 4, chars=0)]
    assert comment_ids(nodes) == [1, 3]
    assert counts(longest_chains(columns(nodes), BY_COMMENTS))["dead_on_chain"] == [1]


def test_a_chain_ends_at_a_live_comment() -> None:
    nodes = [comment(1, None), comment(2, 1, chars=0), comment(3, 2, chars=0)]
    assert comment_ids(nodes) == [1]
    assert counts(longest_chains(columns(nodes), BY_COMMENTS))["dead_on_chain"] == [0]


def test_a_comment_without_its_parent_roots_its_own_tree() -> None:
    nodes = [comment(1, None), comment(5, 4), comment(6, 5)]
    assert comment_ids(nodes) == [5, 6]
    assert counts(longest_chains(columns(nodes), BY_COMMENTS))["orphans"] == [1]


def test_a_parent_of_another_thread_is_a_missing_one() -> None:
    elsewhere = comment(7, None, thread=8)
    astray = Node(9, COMMENT, 3, SUBMISSION, 8, 1, 1)
    nodes = [elsewhere, comment(1, 7), comment(2, 1), astray]
    chains = longest_chains(columns(nodes), BY_COMMENTS)
    assert [node.id for node in documents(nodes, chains)[9]] == [1, 2]
    assert chains.orphans.tolist() == [0, 2]


def test_a_comment_and_a_submission_may_share_an_id() -> None:
    nodes = [submission(9), comment(9, None), comment(10, 9)]
    assert chain(nodes, HEADED) == [(SUBMISSION, 9), (COMMENT, 9), (COMMENT, 10)]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_cycle_is_cut_above_its_smallest_id(size: int) -> None:
    ring = [comment(10 + own, 10 + (own - 1) % size) for own in range(size)]
    nodes = [comment(1, None), *ring, comment(99, 10 + size - 1)]
    assert comment_ids(nodes) == [*range(10, 10 + size), 99]
    assert counts(longest_chains(columns(nodes), BY_COMMENTS))["cycles"] == [1]


def test_a_live_copy_beats_a_dead_one_even_a_longer() -> None:
    dead = Node(9, COMMENT, 1, SUBMISSION, 9, 0, 50)
    live = comment(1, None, chars=2, record=1)
    assert documents([dead, live], longest_chains(columns([dead, live]), BY_COMMENTS)) == {9: [live]}


def test_of_live_copies_the_longer_then_the_smaller_digest_then_the_first_read_wins() -> None:
    worst = comment(1, None, chars=2, digest=0, blob=0, record=0)
    for better in (
        comment(1, None, chars=3, digest=9, blob=5, record=0),
        comment(1, None, chars=3, digest=8, blob=5, record=0),
        comment(1, None, chars=3, digest=8, blob=4, record=7),
        comment(1, None, chars=3, digest=8, blob=4, record=6),
    ):
        nodes = [worst, better]
        chains = longest_chains(columns(nodes), BY_COMMENTS)
        assert documents(nodes, chains) == {9: [better]}
        assert (chains.comments_read.tolist(), chains.comments.tolist()) == ([2], [1])
        worst = better


def test_the_winning_copy_brings_its_parent() -> None:
    nodes = [comment(1, None), comment(2, 1), comment(3, 1, chars=1), comment(3, 2, chars=5)]
    assert comment_ids(nodes) == [1, 2, 3]


def test_the_submission_heads_only_where_asked_and_adds_no_length() -> None:
    nodes = [comment(1, None, chars=3), comment(2, None, chars=4), submission(chars=1000)]
    assert chain(nodes) == [(COMMENT, 2)]
    assert chain(nodes, HEADED) == [(SUBMISSION, 9), (COMMENT, 2)]
    assert counts(longest_chains(columns(nodes), HEADED))["chars_chosen"] == [4]


@pytest.mark.parametrize("nodes", [[comment(1, None)], [comment(1, None), submission(chars=0)]])
def test_without_a_live_submission_the_chain_has_no_head(nodes: list[Node]) -> None:
    assert chain(nodes, HEADED) == [(COMMENT, 1)]


@pytest.mark.parametrize("comments", [[], [comment(1, None, chars=0), comment(2, 1, chars=0)]])
def test_a_thread_without_a_live_comment_has_no_document(comments: list[Node]) -> None:
    chains = longest_chains(columns([*comments, submission()]), HEADED)
    assert (chains.thread.tolist(), chains.offsets.tolist()) == ([9], [0, 0])
    assert (chains.submissions_read.tolist(), chains.comments.tolist()) == ([1], [len(comments)])


def test_ids_reach_the_end_of_the_range() -> None:
    last = 2**64 - 1
    nodes = [comment(last - 1, None, thread=last), comment(last, last - 1, thread=last), submission(last)]
    assert chain(nodes, HEADED) == [(SUBMISSION, last), (COMMENT, last - 1), (COMMENT, last)]


def numbered(parent: NDArray[np.int64], thread: int = 9) -> Nodes:
    """Live comments 0, 1, 2, ... of one thread; -1 for the top."""
    n, top = len(parent), parent < 0
    return Nodes(
        thread=np.full(n, thread, np.uint64),
        kind=np.full(n, COMMENT, np.uint8),
        id=np.arange(n, dtype=np.uint64),
        parent_kind=np.where(top, SUBMISSION, COMMENT).astype(np.uint8),
        parent=np.where(top, thread, parent).astype(np.uint64),
        live=np.ones(n, np.uint8),
        chars=np.ones(n, np.uint32),
        digest=np.zeros(n, np.uint64),
        blob=np.zeros(n, np.int64),
        record=np.arange(n),
    )


def test_a_chain_may_be_200_000_deep_whichever_way_its_ids_run() -> None:
    n = 200_000
    grows = longest_chains(numbered(np.arange(n) - 1), BY_COMMENTS)
    assert grows.rows.tolist() == list(range(n))
    shrinks = longest_chains(numbered(np.where(np.arange(n) == n - 1, -1, np.arange(n) + 1)), BY_COMMENTS)
    assert shrinks.rows.tolist() == list(range(n - 1, -1, -1))


def test_a_cycle_may_be_200_000_long() -> None:
    n = 200_000
    chains = longest_chains(numbered((np.arange(n) - 1) % n), BY_COMMENTS)
    assert chains.rows.tolist() == list(range(n))
    assert chains.cycles.tolist() == [1]


def test_a_comment_may_have_200_000_replies() -> None:
    n = 200_000
    chains = longest_chains(numbered(np.where(np.arange(n) == 0, -1, 0)), BY_COMMENTS)
    assert chains.rows.tolist() == [0, 1]


@pytest.mark.parametrize(
    "stranger", [Node(9, 0, 0, 0, 0, 0, 0), Node(9, SUBMISSION, 8, 0, 0, 1, 1), Node(9, 4, 1, 0, 0, 1, 1)]
)
def test_what_is_no_post_is_refused(stranger: Node) -> None:
    with pytest.raises(ValueError, match="neither"):
        longest_chains(columns([comment(1, None), stranger]), BY_COMMENTS)


def test_a_rule_knows_two_lengths() -> None:
    with pytest.raises(RecipeError, match="tokens"):
        ChainRule("tokens")  # type: ignore[arg-type]
