"""How most tasks ask: several answers behind one context, or one continuation behind several contexts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from evaluation.item import BLANKS, STOPS, Choice, Example, Item, MalformedRowError


def among(key: str, context: str, answers: Sequence[str], right: Sequence[int], family: str = "") -> Item:
    """An item whose choices differ in their continuations: a blank and the answer."""
    return Item(key, tuple(Choice(context, f" {one}" if one else "") for one in answers), tuple(right), "", family)


def partial(key: str, contexts: Sequence[str], rest: str, right: int, family: str = "") -> Item:
    """An item whose choices differ in their contexts, by partial evaluation (arXiv 1806.02847, section 3.1).

    What follows a blank directly ("'s hat fell", '-like') is read with what fills it: it is scored from its first
    white space on, or from a stop.

    Args:
        key: See `Item`.
        contexts: The text up to the blank, filled in several ways.
        rest: The text behind it.
        right: Which context is right.
        family: See `Item`.
    """
    found = re.search(f"[{BLANKS}{STOPS}]", rest)
    if found is None:
        raise MalformedRowError("nothing follows the blank")
    cut = found.start()
    return Item(
        key, tuple(Choice(one + rest[:cut], rest[cut:].rstrip()) for one in contexts), (right,), "", family
    )


def worked(item: Item) -> Example:
    """An item with its first right answer, as an example."""
    choice = item.choices[item.right[0]]
    return Example(item.key, (choice.context + choice.continuation).strip(), item.family)


def ended(sentence: str, stop: str) -> str:
    """A sentence with a stop behind it, where it has none, within quotation marks or not."""
    return sentence if sentence.rstrip("\"'”’").endswith((".", "!", "?")) else sentence + stop
