"""One build: what is built, from where, to where, by whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from corpus.recipe import Recipe, Text
from pipelines.stage import Sealed, Stage
from pipelines.steps import treatment


class Drives(Protocol):
    """What takes a stage to its seal: a driver, or one that only looks."""

    def run(self, stage: Stage, total_bytes: int = 0) -> Sealed:
        """Gives the stage's seal."""


@dataclass(frozen=True)
class Build:
    """One build: what is built, from where, to where, by whom.

    Attributes:
        vocabulary: "gpt2", or where OPT's vocabulary file lies; the recipe only names which it is.
        encoder: "tokenizers" or "fast"; the ids are the same.
        url_lists: Where the recipe's lists of URLs lie, by their sha256.
        describe: Gives the versions of all that treatments of texts name.
    """

    recipe: Recipe
    data: str
    store: str
    vocabulary: str
    encoder: str
    driver: Drives
    url_lists: Mapping[str, str] = field(default_factory=dict)
    describe: Callable[[Sequence[Text]], dict[str, Any]] = treatment.describe

    def stage(self, name: str, **parts: Any) -> Sealed:
        """Runs a stage of this store, or finds it sealed."""
        total = parts.pop("total_bytes", 0)
        return self.driver.run(Stage(name=name, store=self.store, **parts), total)
