"""The formats a corpus can be exported to, and the one call that does it."""

from __future__ import annotations

from typing import Final

from corpus.errors import RecipeError
from pipelines.crawled import known_of
from pipelines.exports.croissant import croissant
from pipelines.exports.dataset_card import dataset_card
from pipelines.exports.datasheet import datasheet
from pipelines.exports.eu_summary import eu_summary
from pipelines.exports.in_toto import statement
from pipelines.exports.openlineage import run_events
from pipelines.exports.questions import Answers, Asked
from pipelines.exports.slsa import provenance
from pipelines.sealed_corpus import SealedCorpus

BUILT: Final = {"slsa": provenance, "openlineage": run_events}
"""Formats that say how it was built."""

DESCRIBED: Final = {
    "croissant": croissant,
    "dataset-card": dataset_card,
    "datasheet": datasheet,
    "eu-summary": eu_summary,
}
"""Formats that describe what it holds, and ask what only a person knows."""

FORMATS: Final = ("in-toto", *BUILT, *DESCRIBED)


def export(corpus: SealedCorpus, name: str, answers: Answers) -> bytes:
    """The corpus in one format; the same bytes for the same store and answers.

    Raises:
        RecipeError: There is no such format.
    """
    if name == "in-toto":
        return statement(corpus.manifest)
    if name in BUILT:
        return BUILT[name](corpus)
    if name in DESCRIBED:
        return DESCRIBED[name](corpus, known_of(corpus.store, corpus.manifest), Asked(answers))
    raise RecipeError(
        f"there is no format `{name}`", where="export", remedy=f"choose one of: {', '.join(FORMATS)}"
    )
