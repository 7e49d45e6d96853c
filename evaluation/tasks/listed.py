"""The sixteen tasks of the OPT paper (arXiv 2205.01068, section 3.1), in its order, and choosing some by name."""

from __future__ import annotations

import difflib
from typing import Final

from corpus.errors import RecipeError
from evaluation.tasks import (
    arc,
    boolq,
    cb,
    copa,
    hellaswag,
    multirc,
    openbookqa,
    piqa,
    record,
    rte,
    storycloze,
    wic,
    winograd,
    winogrande,
    wsc,
)
from evaluation.tasks.task import Task

NLP: Final[tuple[Task, ...]] = (
    hellaswag.TASK,
    storycloze.TASK,
    piqa.TASK,
    arc.ARC_EASY,
    arc.ARC_CHALLENGE,
    openbookqa.TASK,
    winograd.TASK,
    winogrande.TASK,
    boolq.TASK,
    cb.TASK,
    copa.TASK,
    wic.TASK,
    wsc.TASK,
    multirc.TASK,
    rte.TASK,
    record.TASK,
)
# Those the paper averages over: MultiRC and WiC "seem to systematically favor GPT-3 or OPT disproportionately".
FOURTEEN: Final[tuple[Task, ...]] = tuple(task for task in NLP if task.name not in ("multirc", "wic"))
# The word that stands for all of them.
ALL: Final = "nlp"


def find(name: str) -> Task:
    """The task of a name.

    Raises:
        RecipeError: There is none; the nearest name is given.
    """
    return chosen([name])[0]


def chosen(names: list[str]) -> tuple[Task, ...]:
    """The tasks of several names, each once, in the paper's order; "nlp" stands for all.

    Raises:
        RecipeError: There is none of a name; the nearest name is given.
    """
    known = {task.name: task for task in NLP}
    for name in names:
        if name not in known and name != ALL:
            near = difflib.get_close_matches(name.lower(), [*known, ALL], n=1, cutoff=0.5)
            raise RecipeError(
                f"there is no task {name!r}",
                where="--tasks",
                remedy=f"Write {near[0]!r}." if near else f"Choose among {', '.join([ALL, *known])}.",
            )
    return tuple(task for task in NLP if ALL in names or task.name in names)
