"""The whole union of OPT on paper: what its sources hold, and what each stage would take of it.

From three measurements: the rates of the readers and of what is paid by the byte (workflows/costs/rates.json),
what a document costs in every stage but for its text (workflows/costs/scale.json, by soak/scale.py), and
milliseconds a web page (RESULTS.md). The union was never built: figures are carried on, eight hundred times over.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from corpus.recipe import load_recipe
from corpus.source_catalogue import load_catalogue
from pipelines.planning.rates import Rates
from pipelines.steps import threads
from pipelines.steps.blocks import BLOCK_TEXT_BYTES, group_size_of
from pipelines.steps.duplicates import partitions_for

ROOT = Path(__file__).resolve().parents[2]
COSTS = ROOT / "workflows" / "costs"
RECIPES = ROOT / "workflows" / "recipes"

# What nobody published. The counts are round: a build of that order. Unpublished: our choice.
COMMENTS, PAGES = 10**10, 3 * 10**8
ENGLISH = 0.4  # of the pages of CC-News
COMMENTS_A_THREAD, PACKED = 11.2, 125  # as the sample has them (soak/likeness.json)
PAGE_SECONDS = {"resiliparse": 1.96e-3, "trafilatura": 15.58e-3}  # RESULTS.md, "Web pages"
LANGUAGE_SECONDS = 2048 / 12.2e6  # RESULTS.md, "Which texts are English": what is seen of a page
LARGEST = {"pile": 427e9 / 30, "reddit": 31e9, "ccnews": 1e9}  # bytes of one file; of the last two from memory
PACKED_PAGE = 90e3  # bytes of a page in its WARC: the catalogue's 25 TiB over so many
MONTHS = 190  # of Reddit's dumps, a file each
BAND_RECORDS = 6  # of a document; a short one has fewer
TOKENS_A_BYTE = 0.237  # of text, as the sample has them
PACKED_TEXT = 0.65  # bytes of a block's parts to a byte of text: RESULTS.md, "Rates", of the bulk
SHARD_BYTES = 256e6  # opt.toml
DRAWN_TEXT = 1700  # bytes of a drawn document, chains included
PILE = (
    "wikipedia",
    "gutenberg",
    "uspto",
    "openwebtext2",
    "hackernews",
    "opensubtitles",
    "dm-mathematics",
    "pile-cc",
)

READING = ("documents", "threads", "bodies", "chains")
ALONE = ("losers", "split", "layout")  # stages of one task
PAID_ONCE = ("vocabulary", "seal")


class Cost(msgspec.Struct, frozen=True):
    """What a stage took of a drawn build, as soak/scale.py measures and writes it.

    Attributes:
        tasks: Map tasks and partitions.
        cpu: Seconds of its workers, but for what was drawn.
        drawn: Seconds of the stand-ins.
        driver: Seconds of the process that hands out tasks and seals.
        written: Bytes of parts.
        spilled: Bytes of its exchange.
        rows: Of all its parts.
        worker: Peak bytes of memory of a worker.
        parent: Peak bytes of memory of the driver.
    """

    tasks: tuple[int, int]
    cpu: float
    drawn: float
    driver: float
    written: int
    spilled: int
    rows: int
    worker: int = 0
    parent: int = 0


class Measured(msgspec.Struct, frozen=True):
    """The file that soak/scale.py writes.

    Attributes:
        cell: CPU seconds of a map task's rows for one partition, however few: written, opened, read.
        sizes: Documents of files -> stage -> cost.
        libraries: Their versions; `with` is a word of Python's.
    """

    on: str
    at: str
    workers: int
    cell: float
    sizes: dict[int, dict[str, Cost]]
    libraries: str = msgspec.field(name="with")

    @property
    def largest(self) -> int:
        """Documents of files of the largest build."""
        return max(self.sizes)


@dataclass(frozen=True)
class Source:
    """One source of the union.

    Attributes:
        documents: That go to the duplicates.
        text: Bytes of them.
        reading: CPU seconds from its files to documents.
        how: What it is read by.
    """

    name: str
    documents: float
    text: float
    reading: float
    how: str


@dataclass(frozen=True)
class Load:
    """A stage of the whole build.

    Attributes:
        cpu: Seconds.
        tasks: How many there are.
        cells: Pairs of map tasks and partitions, of each of which a reducer opens a spill.
        shuffled: Bytes of its exchange.
        written: Bytes of its parts.
        longest: Seconds of its longest task, where its tasks are not alike.
    """

    name: str
    cpu: float
    tasks: int
    cells: int
    shuffled: float
    written: float
    longest: float = 0.0

    def seconds(self, cores: int) -> float:
        """Of the clock: tasks of one length on cores that do nothing else; no task is divided."""
        return max(self.longest, math.ceil(self.tasks / cores) * self.cpu / self.tasks)


def per_document(measured: Measured, stage: str, size: int) -> float:
    """CPU seconds of a stage for a document, as at one size, its cells and its text apart."""
    costs = measured.sizes[size]
    maps, reduces = costs[stage].tasks
    return max(0.0, costs[stage].cpu - maps * reduces * measured.cell) / documents_of(costs)


def documents_of(costs: dict[str, Cost]) -> int:
    """Documents of a drawn build: of files a row each in rows and text, of chains three with their bodies."""
    return costs["documents"].rows // 2 + costs["chains"].rows - costs["bodies"].rows


def sources(rates: Rates, extractor: str) -> list[Source]:
    """The union, source by source, in the recipe's order."""
    recipe, catalogue = load_recipe(str(RECIPES / "opt.toml")), load_catalogue(str(RECIPES / "catalogue.toml"))
    known = {entry.name: catalogue.of(entry) for entry in recipe.source}
    text = {
        name: float(entry.expected.text_bytes.value)
        for name, entry in known.items()
        if entry and entry.expected.text_bytes
    }
    left = (catalogue.paper.text_bytes.value - sum(text.values())) / 2
    pile = catalogue.named("the-pile").expected.raw_bytes
    pile_seconds = (pile.value if pile else 0) * per_byte(rates, "documents", "pile .zst")
    of_pile = sum(text[name] for name in PILE)
    found = []
    for entry in recipe.source:
        expected = known[entry.name]
        documents = expected.expected.documents.value if expected and expected.expected.documents else 0
        size = text.get(entry.name, left)
        if entry.name in PILE:
            seconds, how = pile_seconds * size / of_pile, "pile .zst, its share"
        elif entry.name == "reddit":
            documents = round(COMMENTS / COMMENTS_A_THREAD)
            packed = sum(per_byte(rates, stage, "reddit .zst") for stage in ("threads", "bodies"))
            seconds = COMMENTS * PACKED * packed + size * per_byte(rates, "chains", "")
            how = "reddit .zst, twice"
        elif entry.name == "ccnews":
            documents = round(PAGES * ENGLISH)
            seconds, how = PAGES * (PAGE_SECONDS[extractor] + LANGUAGE_SECONDS), f"cc-news, {extractor}"
        else:
            how = "book-corpus" if entry.name == "bookcorpus" else "text-blocks"
            seconds = size * per_byte(rates, "documents", how)
        found.append(Source(entry.name, documents, size, seconds, how))
    return found


def per_byte(rates: Rates, stage: str, variant: str) -> float:
    """CPU seconds of a stage for a byte of what it is given."""
    return rates.of(stage)[variant].cpu_seconds.per_byte


def kernels(rates: Rates) -> dict[str, float]:
    """CPU seconds that a byte of text costs behind the readers, by stage."""
    return {
        "signatures": per_byte(rates, "signatures", ""),
        "encode": per_byte(rates, "encode", "fast"),
        "shards": per_byte(rates, "shards", "") * 2 * TOKENS_A_BYTE,
    }


def loads(measured: Measured, rates: Rates, union: Sequence[Source]) -> list[Load]:
    """The stages of the whole build; all reading is one, and so is all that the driver does."""
    documents, text = sum(one.documents for one in union), sum(one.text for one in union)
    costs = measured.sizes[measured.largest]
    held, paid, shape = documents_of(costs), kernels(rates), stage_shape(documents, text)
    # Bytes that grow with the text and not with its documents: blocks as lz4 packs them, and ids.
    ids = 2 * TOKENS_A_BYTE * text
    shuffled, written = {"shards": ids}, {"encode": ids, "shards": ids}
    found = [_reading(rates, union, text)]
    for name, cost in costs.items():
        if name in (*READING, *PAID_ONCE):
            continue
        maps, reduces = shape.get(name, (1, 0))
        cpu = documents * per_document(measured, name, measured.largest) + maps * reduces * measured.cell
        found.append(
            Load(
                name,
                cpu + text * paid.get(name, 0.0),
                maps + reduces,
                maps * reduces,
                documents * cost.spilled / held + shuffled.get(name, 0.0),
                documents * cost.written / held + written.get(name, 0.0),
            )
        )
    tasks = sum(one.tasks for one in found)
    return [*found, Load("driver", tasks * by_driver(costs), 1, 0, 0.0, 0.0)]


def by_driver(costs: dict[str, Cost]) -> float:
    """CPU seconds that the driver takes for a task."""
    return sum(cost.driver for cost in costs.values()) / sum(sum(cost.tasks) for cost in costs.values())


def carried_on(measured: Measured, size: int, documents: float) -> float:
    """CPU seconds behind the readers of a drawn corpus of so many documents, by what one size took."""
    shape, costs = stage_shape(documents, documents * DRAWN_TEXT), measured.sizes[size]
    of_documents = sum(per_document(measured, name, size) for name in costs if name not in (*READING, *PAID_ONCE))
    cells = sum(maps * reduces for maps, reduces in shape.values())
    tasks = sum(maps + reduces for maps, reduces in shape.values())
    return documents * of_documents + cells * measured.cell + tasks * by_driver(costs)


def behind_readers(costs: dict[str, Cost]) -> float:
    """CPU seconds of all stages behind the readers, as measured."""
    return sum(cost.cpu + cost.driver for name, cost in costs.items() if name not in READING)


def stage_shape(documents: float, text: float) -> dict[str, tuple[int, int]]:
    """Map tasks and partitions of each stage that has more than one, as pipelines/stages.py counts them."""
    blocks = round(text / BLOCK_TEXT_BYTES)
    groups = -(-blocks // group_size_of(blocks))
    exact, bands = partitions_for(round(documents)), partitions_for(round(documents) * BAND_RECORDS)
    return {
        "exact": (groups, exact),
        "signatures": (exact, groups),
        "candidates": (groups, bands),
        "shingles": (bands, groups),
        "evidence": (groups, groups),
        "verdicts": (exact + 1, groups),
        "encode": (groups, 0),
        "shards": (groups, round(2 * TOKENS_A_BYTE * text / SHARD_BYTES) + 1),
    }


def _reading(rates: Rates, union: Sequence[Source], text: float) -> Load:
    """All files into documents; the largest of them bounds how soon."""
    slowest = max(
        LARGEST["pile"] * per_byte(rates, "documents", "pile .zst"),
        LARGEST["reddit"] * per_byte(rates, "threads", "reddit .zst"),
    )
    partitions = round(COMMENTS * PACKED / threads.PARTITION_BYTES)
    shuffled = COMMENTS * PACKED * rates.of("threads")["reddit .zst"].shuffled.per_byte
    files = round(PAGES * PACKED_PAGE / LARGEST["ccnews"]) + MONTHS
    seconds = sum(one.reading for one in union)
    return Load("reading", seconds, files + partitions, MONTHS * partitions, shuffled, PACKED_TEXT * text, slowest)
