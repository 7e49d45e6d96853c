"""The Winograd schema challenge as SuperGLUE has it, cast as OPT casts it: which noun does a pronoun mean?

The file asks, row by row, whether one candidate (span1) is what a pronoun (span2) means. OPT chooses among nouns
(section 3.1) and does not say where it has them from. Here the rows of one text and one pronoun are one item,
and their candidates its choices. A pronoun with one candidate alone, or with none that is right, is no choice:
it is skipped and counted. Of the 104 rows of the validation set, 85 make 36 items, and 19 rows of 17 pronouns
are skipped; 6 of those are in Winograd's collection with both nouns, where the task `winograd` asks them. A
score over 36 is not GPT-3's over 104.

The file puts blanks around its spans ("Edward . The"); the figure does not show them, so they are closed. Nouns
are in lower case, as the figure's "mr. moncrieff". A right candidate alone makes an example.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from evaluation import fields
from evaluation.item import Example, Item, MalformedRowError
from evaluation.records import Record, Row, json_lines
from evaluation.tasks.asked import among
from evaluation.tasks.published import gpt3
from evaluation.tasks.task import Task

PUBLISHED: Final = ("text", "target", "label")
# Hugging Face's copy: the target's fields stand beside the text.
FLAT: Final = ("text", "span1_text", "span2_text", "span2_index", "label")
PREAMBLE: Final = (
    "Final Exam with Answer Key\n"
    "Instructions: Please carefully read the following passages. For each passage, you must identify which noun "
    "the pronoun marked in *bold* refers to.\n====="
)


def rows(path: Path) -> Iterator[Record]:
    """Reads the file, all rows about one pronoun of one text as one; a damaged row is a record of its own."""
    asked: dict[tuple[str, str, int], list[tuple[Record, str, bool]]] = {}
    seen: dict[str, str] = {}
    for record in json_lines("idx")(path):
        try:
            if record.fault:
                raise MalformedRowError(record.fault)
            text, target = _question(record.row)
            pronoun = (text, fields.text(target, "span2_text"), fields.number(target, "span2_index"))
            candidate = (record, fields.text(target, "span1_text"), fields.truth(record.row, "label"))
            if (first := seen.setdefault(record.key, record.place)) != record.place:
                raise MalformedRowError(f"of the same name as {first}")
        except MalformedRowError as error:
            yield replace(record, key=record.place, row={}, fault=str(error))
        else:
            asked.setdefault(pronoun, []).append(candidate)
    for (text, pronoun_text, index), candidates in asked.items():
        place = ", ".join(record.place for record, _, _ in candidates)
        key = ", ".join(record.key for record, _, _ in candidates)
        nouns = [{"noun": noun, "right": right} for _, noun, right in candidates]
        yield Record(place, key, {"text": text, "pronoun": pronoun_text, "index": index, "nouns": nouns})


def _question(row: Row) -> tuple[str, Row]:
    shape = fields.layout(row, PUBLISHED, FLAT)
    return fields.text(row, "text"), fields.within(row, "target") if shape == PUBLISHED else row


def item(key: str, row: Row) -> list[Item]:
    """The nouns behind the passage; one passage is a family."""
    nouns = _nouns(row)
    right = [place for place, noun in enumerate(nouns) if nouns[noun]]
    if len(nouns) < 2:
        raise MalformedRowError("one candidate alone is given: nothing to choose")
    if not right:
        raise MalformedRowError("none of the candidates given is right: nothing to choose")
    return [among(key, _context(row), list(nouns), right, fields.text(row, "text"))]


def examples(key: str, row: Row) -> list[Example]:
    """The passage with what the pronoun means, where the file says it."""
    right = [noun for noun, is_right in _nouns(row).items() if is_right]
    if not right:
        raise MalformedRowError("none of the candidates given is right: no example")
    return [Example(key, f"{_context(row)} {right[0]}", fields.text(row, "text"))]


def _nouns(row: Row) -> dict[str, bool]:
    """The candidates, each once, and whether it is right: a noun said twice is, where one of both is."""
    found: dict[str, bool] = {}
    for one in fields.several(row, "nouns"):
        candidate = one if isinstance(one, dict) else {}
        noun = fields.text(candidate, "noun").lower()
        found[noun] = fields.truth(candidate, "right") or found.get(noun, False)
    return found


def _context(row: Row) -> str:
    pronoun = fields.text(row, "pronoun")
    passage = _marked(fields.text(row, "text"), pronoun, fields.number(row, "index"))
    question = f'In the passage above, what does the pronoun "*{pronoun}*" refer to?'
    return f"Passage: {passage}\nQuestion: {question}\nAnswer:"


def _marked(text: str, pronoun: str, index: int) -> str:
    """The passage with its pronoun between asterisks; one row of the file is a word off, but has it once."""
    words = text.split()
    same = [place for place, word in enumerate(words) if word.strip(".,;:!?\"'").lower() == pronoun.lower()]
    if index not in same and len(same) != 1:
        raise MalformedRowError(f"word {index} is not the pronoun {pronoun!r:.60}")
    place = index if index in same else same[0]
    words[place] = re.sub(
        re.escape(pronoun), lambda found: f"*{found.group()}*", words[place], flags=re.IGNORECASE
    )
    return re.sub(r" (?=[.,;:!?]|'s\b)", "", " ".join(words))


TASK: Final = Task(
    name="wsc",
    title="WSC",
    folder="superglue_wsc",
    folders=("WSC", "wsc"),
    files=("val.jsonl", "validation.jsonl"),
    pool=("train.jsonl",),
    rows=rows,
    item=item,
    examples=examples,
    judged_by="token",
    counted="item",
    chance=45.6,  # some pronouns have three candidates, or four: the mean over the 36 items
    prompt="GPT-3, figure G.33; the choice among nouns is OPT's (section 3.1)",
    preamble=PREAMBLE,
    licence="CC-BY-4.0",
    origin="https://super.gluebenchmark.com/tasks",
    published=gpt3(59.6, 56.7, 65.4, 61.5, 66.3, 60.6, 64.4, 65.4),
)
