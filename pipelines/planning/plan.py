"""A plan of a build: its stages driven to the end by a planner, over the files that are here and those expected."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from corpus.source import Blob
from pipelines import stages
from pipelines.build import Build
from pipelines.planning.input_sizes import InputSize
from pipelines.planning.planner import Plan, Planner
from pipelines.planning.rates import Rates


def make_plan(build: Build, blobs: Sequence[Blob], sizes: Sequence[InputSize], rates: Rates) -> Plan:
    """What a build has to do from here on, without doing any of it.

    Args:
        build: Whatever drives it.
        blobs: The files that are here, with the digests that are known; without one they are to be hashed.
        sizes: Of every input; of those that are absent the expected files are planned beside these.
        rates: Measured.

    Raises:
        RecipeError: A stage was never measured; or what the build needs of libraries or files is missing.
    """
    absent = [size for size in sizes if size.known == "expected"]
    yields = {size.blobs[0].path: size.text_bytes for size in absent}
    planner = Planner(rates, build.encoder, yields)
    looking = dataclasses.replace(build, driver=planner)
    if blobs and not all(blob.sha256 for blob in blobs):
        blobs = stages.pin_blobs(looking, blobs)
    every = (*blobs, *(blob for size in absent for blob in size.blobs))
    if every:
        planner.reading(build.recipe, every)
        stages.run(looking, every)
    return Plan(tuple(planner.stages))
