"""What a task makes of a row of its data: choices to be scored, which of them are right, and worked examples.

A prompt is cut into pieces that are encoded apart, so that shots are encoded once and counted before they are
put together. GPT-2's encoding of a whole text is that of its pieces, end to end, wherever a piece that begins
with white space follows one that does not end with it; so that is the law of every piece here. A stop right
behind a letter is such a border too, and some of Winograd's sentences end right behind their pronoun.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STOPS: Final = ".,;:!?"
# What may open a piece: Python holds more for white space than GPT-2's pattern does.
BLANKS: Final = " \n\t"


class MalformedRowError(Exception):
    """A row that is no item: its message says what is wrong, in the words of the file. It is counted and named."""


@dataclass(frozen=True)
class Choice:
    """One of the answers to choose among, and what it is read behind.

    Attributes:
        context: What stands before; neither empty nor ending in white space.
        continuation: What is scored: it begins with one of `BLANKS`, and holds more than white space; or with one
            of `STOPS`, where the context ends in a letter or a digit.

    Raises:
        MalformedRowError: They are not so.
    """

    context: str
    continuation: str

    def __post_init__(self) -> None:
        if not self.continuation.strip():
            raise MalformedRowError("an answer is empty")
        if not self.context.strip():
            raise MalformedRowError("there is nothing before an answer")
        first, last = self.continuation[0], self.context[-1]
        if not (first in BLANKS and not last.isspace()) and not (first in STOPS and last.isalnum()):
            raise MalformedRowError("an answer and what is before it are not cut at white space")


@dataclass(frozen=True)
class Item:
    """What one answer is chosen for.

    Attributes:
        key: Names it within its task: the file's own id, or its place there.
        choices: Two or more. They differ in their continuations, or, where the question is which of several
            beginnings a text goes on from (partial evaluation: Trinh and Le, arXiv 1806.02847), in their contexts.
        right: The places of those that are right.
        question: What it is a part of: a task may ask that all items of a question be answered rightly.
        family: Names what its text shares with other items, for instance their passage: an example of the same
            family is never shown to it.

    Raises:
        MalformedRowError: There is nothing to choose, or no right answer among the choices.
    """

    key: str
    choices: tuple[Choice, ...]
    right: tuple[int, ...]
    question: str = ""
    family: str = ""

    def __post_init__(self) -> None:
        if len(self.choices) < 2:
            raise MalformedRowError(f"there is nothing to choose among {len(self.choices)} answers")
        if not self.right or not all(0 <= one < len(self.choices) for one in self.right):
            raise MalformedRowError(f"the right answer, {list(self.right)}, is none of {len(self.choices)}")


@dataclass(frozen=True)
class Example:
    """A worked item, as it is shown before another.

    Attributes:
        key: Names it within its pool.
        text: As a person would read it, the answer included; no white space at either end.
        family: See `Item.family`.
    """

    key: str
    text: str
    family: str
