"""What a stage reads, told by its inputs: raw files by the identities it names, other stages by their digests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from corpus.recipe import Recipe
from corpus.source import Blob
from pipelines.document_stages import identities
from pipelines.planning.forecast import Files, Given
from pipelines.planning.rates import format_of
from pipelines.stage import Sealed, Stage


@dataclass
class Lineage:
    """The stages of a build so far, and its files.

    Attributes:
        recipe: Whose inputs the files are.
        files: By the identity under which a stage names them.
        stages: By the digest under which a later stage names them.
    """

    recipe: Recipe
    files: dict[str, Blob] = field(default_factory=dict)
    stages: dict[str, Sealed] = field(default_factory=dict)

    def reading(self, blobs: Sequence[Blob]) -> None:
        """Tells which files the stages to come may name."""
        self.files = dict(zip(identities(blobs, range(len(blobs))), blobs, strict=True))

    def files_of(self, stage: Stage) -> list[Blob]:
        """The raw files it reads."""
        return [self.files[identity] for identity in stage.inputs if identity in self.files]

    def before(self, stage: Stage) -> list[Sealed]:
        """The stages it reads."""
        return [self.stages[digest] for digest in stage.inputs if digest in self.stages]

    def given(self, stage: Stage, total_bytes: int, yielding: Callable[[str, Blob], float]) -> Given:
        """How much it reads.

        Args:
            stage: About to run.
            total_bytes: What it reads where neither files nor stages are named.
            yielding: Bytes of a file of this format that would give what the blob is expected to give.
        """
        blobs, before = self.files_of(stage), self.before(stage)
        if not blobs:
            return Given.of(before) if before else Given(bytes=total_bytes)
        entries = {entry.name: entry for entry in self.recipe.input}
        sizes: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for blob in blobs:
            name = format_of(entries[blob.input], blob.path)
            sizes[name][0] += blob.size
            sizes[name][1] += yielding(name, blob)
        return Given(files={name: Files(*pair) for name, pair in sizes.items()})
