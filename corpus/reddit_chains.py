"""The longest chain of comments of each Reddit thread: which posts become the thread's document, in what order.

"The longest chain of comments in each thread" (arXiv 2205.01068, section 2.3) is all that OPT said; the rest
is our choice, a rule a line:

- Copies of one post (same thread, kind and id): a live one beats a dead one, then the longer, then the one
  with the smallest digest, then the first in (blob, record). The winner stands for the post, parent and all.
- The parent of a comment is a comment of its thread, or its thread's submission, there or not.
- A comment whose parent is neither (missing, or of another thread) is an orphan and roots a tree of its own.
- A comment that is its own ancestor is on a cycle; the cycle is cut above its smallest id, which becomes a root.
- A dead comment (deleted, removed) keeps its place, so that a chain runs through it, but it adds no length and
  no text, and is never listed.
- A chain runs from a root down to any live comment. The longest has the most live comments; of equals, the most
  characters; of equals, the smallest id at its end. (Or characters first, then comments: `ChainRule.longest`.)
- The submission adds no length. `ChainRule.head` puts it before its chain, if it was read and is live.
- A thread without a live comment has an empty chain, and the submission alone does not make one.

Nothing depends on the order of the rows, on recursion, or on ids growing from parent to child.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from corpus.errors import RecipeError
from corpus.readers.reddit import COMMENT, SUBMISSION

VERSION = 1

_NONE = -1


@dataclass(frozen=True)
class ChainRule:
    """What a recipe says of chains.

    Attributes:
        longest: What counts first: "comments", the paper's words, or "characters".
        head: Whether the submission's text heads the document. Unpublished: our choice.

    Raises:
        RecipeError: `longest` is neither.
    """

    longest: Literal["comments", "characters"] = "comments"
    head: bool = False

    def __post_init__(self) -> None:
        if self.longest not in ("comments", "characters"):
            raise RecipeError(
                f"a chain cannot be the longest in {self.longest!r}.",
                where="ChainRule.longest",
                remedy='Write "comments" or "characters".',
            )


@dataclass(frozen=True, eq=False)
class Nodes:
    """Posts as nodes, rows in any order; whole threads. The first seven are columns of `reddit.Posts`.

    Attributes:
        thread: uint64[n].
        kind: uint8[n], `COMMENT` or `SUBMISSION`.
        id: uint64[n]; a submission's is its thread's.
        parent_kind: uint8[n].
        parent: uint64[n].
        live: uint8[n].
        chars: uint32[n].
        digest: uint64[n], of the raw line: tells copies apart by content alone.
        blob: int64[n], the number of the file.
        record: int64[n], the number of the line in it.
    """

    thread: NDArray[np.uint64]
    kind: NDArray[np.uint8]
    id: NDArray[np.uint64]
    parent_kind: NDArray[np.uint8]
    parent: NDArray[np.uint64]
    live: NDArray[np.uint8]
    chars: NDArray[np.uint32]
    digest: NDArray[np.uint64]
    blob: NDArray[np.int64]
    record: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Chains:
    """The chosen posts of every thread, and what became of the others. Threads ascend.

    `comments_read` less `comments` are the copies that lost, `live` less `chosen` the live ones off the chain.

    Attributes:
        thread: uint64[t].
        rows: int64[offsets[-1]], rows of the nodes, live posts alone: the submission where it heads, then root
            to leaf.
        offsets: int64[t + 1]; thread i's chain is rows[offsets[i]:offsets[i + 1]].
        submissions_read: int64[t], rows.
        comments_read: int64[t], rows.
        comments: int64[t], distinct comments.
        live: int64[t], those of them with a text.
        chosen: int64[t], live comments on the chain.
        dead_on_chain: int64[t], dead comments between its root and its leaf.
        chars_live: int64[t], code points of all live comments.
        chars_chosen: int64[t], of the chosen ones.
        orphans: int64[t], comments whose parent is not in the thread.
        cycles: int64[t], cycles cut.
    """

    thread: NDArray[np.uint64]
    rows: NDArray[np.int64]
    offsets: NDArray[np.int64]
    submissions_read: NDArray[np.int64]
    comments_read: NDArray[np.int64]
    comments: NDArray[np.int64]
    live: NDArray[np.int64]
    chosen: NDArray[np.int64]
    dead_on_chain: NDArray[np.int64]
    chars_live: NDArray[np.int64]
    chars_chosen: NDArray[np.int64]
    orphans: NDArray[np.int64]
    cycles: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.thread)


def longest_chains(nodes: Nodes, rule: ChainRule) -> Chains:
    """Picks each thread's longest chain; O(n log n) in the nodes, whatever the shape of the trees.

    Args:
        nodes: All posts of some threads, in any order, copies included.
        rule: What is longest, and whether the submission heads the document.

    Raises:
        ValueError: A node is no post (a damaged line), or a submission whose id is not its thread's.
    """
    if bool(np.any(np.where(nodes.kind == SUBMISSION, nodes.id != nodes.thread, nodes.kind != COMMENT))):
        raise ValueError("a node is neither a comment nor its thread's submission")
    posts, copies = _distinct(nodes)
    is_comment = nodes.kind[posts] == COMMENT
    thread, number = _number_threads(nodes.thread[posts])
    comments, submissions = posts[is_comment], posts[~is_comment]
    bounds = _offsets(np.bincount(number[is_comment], minlength=len(thread)))
    live, chars = nodes.live[comments] > 0, nodes.chars[comments].astype(np.int64)

    above, orphan = _find_parents(
        thread, bounds, nodes.id[comments], nodes.parent_kind[comments], nodes.parent[comments]
    )
    cut = _cut_cycles(above)
    path_comments, path_chars = _measure_paths(above, live, chars)
    keys = (path_comments, path_chars) if rule.longest == "comments" else (path_chars, path_comments)
    leaf = _find_leaves(bounds, live, *keys)
    chosen, chars_chosen, submissions_read = np.zeros((3, len(thread)), np.int64)
    found = leaf != _NONE
    chosen[found], chars_chosen[found] = path_comments[leaf[found]], path_chars[leaf[found]]
    submissions_read[number[~is_comment]] = copies[~is_comment]

    head = np.full(len(thread), _NONE)
    if rule.head:
        head[number[~is_comment]] = np.where(nodes.live[submissions] > 0, submissions, _NONE)
        head[~found] = _NONE
    headed = head != _NONE
    offsets = _offsets(chosen + headed)
    places, dead_on_chain = _climb(leaf, above, live, offsets)
    rows = comments[places]
    rows[offsets[:-1][headed]] = head[headed]
    return Chains(
        thread=thread,
        rows=rows,
        offsets=offsets,
        submissions_read=submissions_read,
        comments_read=_sums(copies[is_comment], bounds),
        comments=np.diff(bounds),
        live=_sums(live, bounds),
        chosen=chosen,
        dead_on_chain=dead_on_chain,
        chars_live=_sums(chars * live, bounds),
        chars_chosen=chars_chosen,
        orphans=_sums(orphan, bounds),
        cycles=_sums(cut, bounds),
    )


def _distinct(nodes: Nodes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The row of each post's winning copy, by (thread, kind, id), and how many copies it had."""
    order = np.lexsort((nodes.id, nodes.kind, nodes.thread))
    first = _starts(nodes.thread[order]) | _starts(nodes.kind[order]) | _starts(nodes.id[order])
    winners = order[first]
    copies = np.diff(np.flatnonzero(np.append(first, True)))
    # The few posts with copies are sorted again, by merit within the post; each keeps its places.
    repeated = np.repeat(copies > 1, copies)
    rows, post, first = order[repeated], np.repeat(np.arange(len(copies)), copies)[repeated], first[repeated]
    dead, shortness = nodes.live[rows] == 0, ~nodes.chars[rows]  # ~ turns the order of unsigned numbers round
    merit = np.lexsort((nodes.record[rows], nodes.blob[rows], nodes.digest[rows], shortness, dead, post))
    winners[post[first]] = rows[merit][first]
    return winners, copies


def _starts(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Where a value differs from the one before it."""
    starts = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=starts[1:])
    return starts


def _number_threads(thread: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The threads of a sorted column, and for each row the place of its thread among them."""
    starts = _starts(thread)
    return thread[starts], np.cumsum(starts) - 1


def _offsets(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def _sums(values: NDArray[Any], bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Per thread, the sum of its comments' values."""
    return np.diff(_offsets(values)[bounds])


@njit(cache=True, nogil=True)
def _find_parents(
    thread: NDArray[np.uint64],
    bounds: NDArray[np.int64],
    own: NDArray[np.uint64],
    parent_kind: NDArray[np.uint8],
    parent: NDArray[np.uint64],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Per comment its parent's place (`_NONE` for a root), and whether it names a parent that is not there."""
    above, orphan = np.full(len(own), _NONE), np.zeros(len(own), np.bool_)
    for tree in range(len(thread)):
        start, end = bounds[tree], bounds[tree + 1]
        for comment in range(start, end):
            if parent_kind[comment] == COMMENT:
                place = start + np.searchsorted(own[start:end], parent[comment])
                if place < end and own[place] == parent[comment]:
                    above[comment] = place
                else:
                    orphan[comment] = True
            else:
                orphan[comment] = parent_kind[comment] != SUBMISSION or parent[comment] != thread[tree]
    return above, orphan


@njit(cache=True, nogil=True)
def _cut_cycles(above: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Makes a root of the smallest comment of every cycle, in `above` itself, and tells which those are."""
    cut = np.zeros(len(above), np.bool_)
    walk_of = np.full(len(above), _NONE)  # the walk that came by first, named by where it began
    for begin in range(len(above)):
        at = begin
        while at != _NONE and walk_of[at] == _NONE:
            walk_of[at] = begin
            at = above[at]
        if at == _NONE or walk_of[at] != begin:
            continue
        smallest, around = at, above[at]
        while around != at:
            smallest, around = min(smallest, around), above[around]
        above[smallest] = _NONE
        cut[smallest] = True
    return cut


@njit(cache=True, nogil=True)
def _measure_paths(
    above: NDArray[np.int64], live: NDArray[np.bool_], chars: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Live comments, and their characters, from the root down to each comment, itself included."""
    path_comments, path_chars = np.full(len(above), _NONE), np.zeros(len(above), np.int64)
    stack = np.empty(len(above), np.int64)
    for comment in range(len(above)):
        height, at = 0, comment
        while at != _NONE and path_comments[at] == _NONE:
            stack[height] = at
            height += 1
            at = above[at]
        comments, characters = (path_comments[at], path_chars[at]) if at != _NONE else (0, 0)
        while height > 0:
            height -= 1
            at = stack[height]
            if live[at]:
                comments += 1
                characters += chars[at]
            path_comments[at], path_chars[at] = comments, characters
    return path_comments, path_chars


@njit(cache=True, nogil=True)
def _find_leaves(
    bounds: NDArray[np.int64],
    live: NDArray[np.bool_],
    first_key: NDArray[np.int64],
    second_key: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Per thread the live comment its longest chain ends at, or `_NONE`; the smallest id of equals."""
    leaf = np.full(len(bounds) - 1, _NONE)
    for tree in range(len(leaf)):
        best = _NONE
        for comment in range(bounds[tree], bounds[tree + 1]):
            if not live[comment]:
                continue
            if best == _NONE or (first_key[comment], second_key[comment]) > (first_key[best], second_key[best]):
                best = comment
        leaf[tree] = best
    return leaf


@njit(cache=True, nogil=True)
def _climb(
    leaf: NDArray[np.int64], above: NDArray[np.int64], live: NDArray[np.bool_], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each chain's live comments, root first, set against the end of its slice; and how many dead ones it has."""
    places, dead = np.zeros(offsets[-1], np.int64), np.zeros(len(leaf), np.int64)
    for tree in range(len(leaf)):
        at, slot = leaf[tree], offsets[tree + 1]
        while at != _NONE:
            if live[at]:
                slot -= 1
                places[slot] = at
            else:
                dead[tree] += 1
            at = above[at]
    return places, dead
