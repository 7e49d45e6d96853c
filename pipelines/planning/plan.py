"""A plan of a build: its stages driven to the end by a planner, over the files here and those expected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from corpus.recipe import Recipe
from corpus.source import Blob
from pipelines import stages
from pipelines.build import Build, Drives
from pipelines.planning.input_sizes import InputSize
from pipelines.planning.lineage import Lineage
from pipelines.planning.planner import Plan, Planner
from pipelines.planning.rates import Rates


@dataclass(frozen=True)
class Outlook:
    """What a plan is made of.

    Attributes:
        recipe: What is built, its files named.
        encoder: "tokenizers" or "fast".
        sizes: Of every input.
        rates: Measured.
        building: The build, by the driver it is given.
    """

    recipe: Recipe
    encoder: str
    sizes: Sequence[InputSize]
    rates: Rates
    building: Callable[[Drives], Build]

    def plan(self, blobs: Sequence[Blob]) -> Plan:
        """What the build has to do from here on, without doing any of it.

        Args:
            blobs: The files that are here, with the digests that are known; without one they are to be hashed.

        Raises:
            RecipeError: A stage was never measured; or what the build needs of libraries or files is missing.
        """
        absent = [size for size in self.sizes if size.known == "expected"]
        lineage = Lineage(self.recipe)
        yields = {size.blobs[0].path: size.text_bytes for size in absent}
        planner = Planner(self.rates, lineage, self.encoder, yields)
        build = self.building(planner)
        if blobs and not all(blob.sha256 for blob in blobs):
            blobs = stages.pin_blobs(build, blobs)
        every = (*blobs, *(blob for size in absent for blob in size.blobs))
        if every:
            lineage.reading(every)
            stages.run(build, every)
        return Plan(tuple(planner.stages))
