"""What a task is: where its rows lie, what each becomes, how it is judged, and what others reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from evaluation.item import Example, Item
from evaluation.normalisation import Normalisation
from evaluation.records import Record, Row


@dataclass(frozen=True)
class Published:
    """A number that others reached.

    Attributes:
        model: For instance "OPT 175B".
        shots: Examples shown, 0 for none; None where the source does not say.
        value: In percent, of the task's own metric.
        source: Paper and table, or repository and file.
        verified: Whether it was read in that source, and is not from memory.
    """

    model: str
    shots: int | None
    value: float
    source: str
    verified: bool


@dataclass(frozen=True)
class Task:
    """One of the paper's tasks (section 3.1), or one in its manner.

    Attributes:
        name: As `--tasks` takes it.
        title: As a person knows it.
        folder: Below `--data`.
        folders: Other paths it may have there: those that the publisher's own archive unpacks into.
        files: Names that the rows to be scored may have there, the best first: the first that is there is read. A
            `*` stands for anything.
        pool: The same, of rows that worked examples are drawn from; where none is there, they are drawn from the
            other rows that are scored, and the results say so.
        rows: Reads a file, in its order; a record that is damaged says so.
        label: The field for what stands in `<stem>-labels.lst` beside a file whose rows lack it; "" where the
            publisher has no such file.
        item: Makes an item of a row, or several; raises MalformedRowError.
        examples: Makes worked examples of a row; raises MalformedRowError.
        judged_by: By which value an answer is chosen.
        counted: "item", or "question": all items of a question must be answered rightly.
        chance: The score of guessing, in percent.
        prompt: Whose prompt it is: the figure of GPT-3's appendix G (arXiv 2005.14165), or "unverified: ...".
        unconditional: The context of the unconditional value, or "".
        separator: What stands between examples: white space alone.
        preamble: What stands once, before all examples, with the separator behind it; "" for nothing.
        classes: Names of the choices, where those of every item are the same in the same order; macro-F1 is then
            told beside the score.
        licence: Of the data.
        origin: Where a person gets it.
        published: What others reached.
    """

    name: str
    title: str
    folder: str
    files: tuple[str, ...]
    pool: tuple[str, ...]
    rows: Callable[[Path], Iterator[Record]]
    item: Callable[[str, Row], list[Item]]
    examples: Callable[[str, Row], list[Example]]
    judged_by: Normalisation
    counted: Literal["item", "question"]
    chance: float
    prompt: str
    licence: str
    origin: str
    folders: tuple[str, ...] = ()
    label: str = ""
    unconditional: str = ""
    separator: str = "\n\n"
    preamble: str = ""
    classes: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()
