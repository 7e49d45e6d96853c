"""What the whole union of OPT costs, on paper: per source, on 1, 64 and 1,000 cores, and in money.

    python workflows/benchmarks/union_costs.py [--price-of dataflow-us-central1,gce-us-central1]

Tells what soak/scale.py measured, and what follows from it for the union (`union_model.py`). Writes the section
"scale" of RESULTS.md.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence

import msgspec
from results import table, write_section
from union_model import (
    ALONE,
    COMMENTS,
    COSTS,
    DRAWN_TEXT,
    ENGLISH,
    LANGUAGE_SECONDS,
    PACKED,
    PAGE_SECONDS,
    PAGES,
    Load,
    Measured,
    Source,
    behind_readers,
    carried_on,
    documents_of,
    kernels,
    loads,
    per_byte,
    sources,
    stage_shape,
)

from pipelines.planning.prices import Prices, load_prices
from pipelines.planning.rates import Rates, load_rates

CORES = (1, 64, 1000)
HOUR, GB = 3600.0, 2**30
PEAK_BYTES = 1.5e9  # design, section 9: a worker's
FIXED_BYTES = 0.4e9  # what a worker has loaded before it holds a row: the smallest size's peak
LOSER_BYTES = 45  # pipelines/steps/losers.py
MANY = 10**8  # documents that are to cost no more than 1.3 of what they do at a hundredth; 1.1 is hoped for
SIMILAR_ENDS = 1.5  # documents to a measured pair, between those of pairs alone and of families


def money(prices: Prices, stages: Sequence[Load]) -> list[object]:
    """A bill: CPU, shuffle, requests of spills, a month of what stays."""
    cpu = prices.of_cpu(sum(stage.cpu for stage in stages))
    shuffle = sum(stage.shuffled for stage in stages) / GB * prices.shuffle_gb
    cells = sum(stage.cells for stage in stages) if prices.spilling else 0
    requests = 2 * cells * prices.read_1000 / 1000
    stays = prices.of_month(round(sum(stage.written for stage in stages)))
    amounts = [cpu, shuffle, requests, stays]
    return [prices.name, *(f"{amount:,.0f}" for amount in amounts), f"{sum(amounts):,.0f} {prices.currency}"]


def section(measured: Measured, rates: Rates, tables: Sequence[Prices]) -> str:
    """What RESULTS.md says."""
    union = sources(rates, "resiliparse")
    stages = loads(measured, rates, union)
    return "\n\n".join(
        [
            "## Scale",
            f"`python workflows/soak/scale.py --sizes {','.join(map(str, sorted(measured.sizes)))} --results` on "
            f"{measured.on}; {measured.libraries}; "
            f"{measured.workers} workers, {measured.at}. **Measured**: the pipeline's own stages on the local "
            "engine, over documents and threads whose texts are drawn as the sample has them. CPU-seconds are "
            "without what the drawing took, memory is with it. A power is that of the size with which the seconds "
            "grow between the two largest: 1 is linear.",
            _measured(measured),
            _growth(measured),
            f"A cell, a map task's rows for one partition however few, takes {1e6 * measured.cell:,.0f} us to be "
            "written, opened and read, measured where they are as many as in an exchange of 1e8 documents. With "
            "as many cells as the pipeline counts, and all else as at one size, a document of another size would "
            "cost behind the readers (1e8 were not built):",
            _carried(measured),
            "**Carried on**, by `python workflows/benchmarks/union_costs.py`: documents as they cost at the "
            "largest size, cells as the pipeline will count them, bytes by workflows/costs/rates.json. Counts of "
            f"the Pile's sets, of books and of stories are the catalogue's; {COMMENTS:.0e} comments, {PAGES:.0e} "
            f"pages of which {ENGLISH:.0%} are English, and halves of what the paper's 800 GB leave are assumed.",
            _sources(rates, union, stages),
            "The same build by stage, and on cores that do nothing else:",
            _stages(stages),
            _clock(stages),
            "Money: CPU with the memory beside it, the provider's shuffle, the requests of spills where rows go "
            "through files, a month of all that the store holds. No discounts, no idle workers, no egress.",
            table(
                ["table", "CPU", "shuffle", "requests", "month", "in all"],
                [money(one, stages) for one in tables],
            ),
            "Pages and comments by each way of reading them:",
            _readers(rates),
            _breaks(measured, sum(one.documents for one in union)),
        ]
    )


def _measured(measured: Measured) -> str:
    """Seconds, memory and bytes of each stage at each size."""
    sizes = sorted(measured.sizes)
    rows: list[list[object]] = []
    for name in measured.sizes[sizes[-1]]:
        costs = [measured.sizes[size][name] for size in sizes]
        last = costs[-1]
        row: list[object] = [name, *(f"{cost.cpu + cost.driver:,.2f}" for cost in costs)]
        row += [_power(sizes[-2:], [cost.cpu + cost.driver for cost in costs[-2:]])]
        row += [f"{costs[-2].worker / 1e6:,.0f}", f"{last.worker / 1e6:,.0f}", f"{last.parent / 1e6:,.0f}"]
        rows.append(
            [*row, f"{last.written / 1e6:,.0f}", f"{last.spilled / 1e6:,.0f}", f"{last.tasks[0]}, {last.tasks[1]}"]
        )
    heads = ["stage", *(f"CPU-s, {size:,}" for size in sizes), "power", f"worker MB, {sizes[-2]:,}"]
    heads += [f"worker MB, {sizes[-1]:,}", "driver MB", "written MB", "exchanged MB", "tasks, partitions"]
    return table(heads, rows)


def _power(sizes: Sequence[int], values: Sequence[float]) -> str:
    if min(values) < 0.1:
        return ""
    return f"{math.log(values[1] / values[0]) / math.log(sizes[1] / sizes[0]):.2f}"


def _growth(measured: Measured) -> str:
    """What a document costs at each size."""
    rows = []
    for size, costs in sorted(measured.sizes.items()):
        seconds = sum(cost.cpu + cost.driver for cost in costs.values())
        behind = behind_readers(costs)
        count = documents_of(costs)
        peak = max(costs.values(), key=lambda cost: cost.worker).worker
        parent = max(cost.parent for cost in costs.values())
        rows.append(
            [f"{size:,}", f"{count:,}", seconds, 1e6 * seconds / count, 1e6 * behind / count,
             f"{peak / 1e6:,.0f}", f"{parent / 1e6:,.0f}"]
        )  # fmt: skip
    heads = ["documents of files", "with chains", "CPU-s", "CPU-us a document", "behind the readers"]
    return table([*heads, "worker's peak MB", "driver's peak MB"], rows)


def _carried(measured: Measured) -> str:
    """What a document would cost at other sizes, beside what it did cost."""
    first, *others = sorted(measured.sizes)[-2:]
    before = behind_readers(measured.sizes[first]) / documents_of(measured.sizes[first])
    rows: list[list[object]] = []
    for size in (first, *others, None):
        count = documents_of(measured.sizes[size]) if size else MANY
        carried = [carried_on(measured, base, count) / count for base in (first, *others)]
        found = behind_readers(measured.sizes[size]) / count if size else carried[-1]
        cells = sum(maps * partitions for maps, partitions in stage_shape(count, count * DRAWN_TEXT).values())
        row = [f"{count:,}", f"{cells / 1e6:,.2f}", *(f"{1e6 * one:,.1f}" for one in carried)]
        rows.append([*row, f"{1e6 * found:,.1f}" if size else "", f"{found / before:.2f}"])
    heads = ["documents with chains", "million cells", *(f"us, as at {size:,}" for size in (first, *others))]
    return table([*heads, "us, measured", f"against {first:,}"], rows)


def _sources(rates: Rates, union: Sequence[Source], stages: Sequence[Load]) -> str:
    """What each source costs, its share of every stage included."""
    documents, text = sum(one.documents for one in union), sum(one.text for one in union)
    by_byte = sum(kernels(rates).values())
    behind = sum(stage.cpu for stage in stages if stage.name != "reading")
    by_document = (behind - by_byte * text) / documents
    rows: list[list[object]] = []
    for one in union:
        rest = one.documents * by_document + one.text * by_byte
        row = [one.name, one.how, f"{one.documents / 1e6:,.2f}", f"{one.text / 1e9:,.1f}"]
        rows.append(
            [*row, f"{one.reading / HOUR:,.1f}", f"{rest / HOUR:,.1f}", f"{(one.reading + rest) / HOUR:,.1f}"]
        )
    reading = sum(one.reading for one in union)
    whole = [f"{documents / 1e6:,.2f}", f"{text / 1e9:,.1f}"]
    rows.append(["in all", "", *whole, *(f"{x / HOUR:,.1f}" for x in (reading, behind, reading + behind))])
    heads = ["source", "read by", "million documents", "GB of text", "reading, core-hours", "the rest", "in all"]
    return table(heads, rows)


def _stages(stages: Sequence[Load]) -> str:
    rows: list[list[object]] = []
    for one in stages:
        row = [one.name, f"{one.cpu / HOUR:,.1f}", f"{one.tasks:,}", f"{one.cells / 1e6:,.1f}"]
        row += [f"{one.shuffled / 1e9:,.0f}", f"{one.written / 1e9:,.0f}"]
        rows.append([*row, *(f"{one.seconds(cores) / HOUR:,.2f}" for cores in CORES)])
    heads = ["stage", "core-hours", "tasks", "million cells", "exchanged GB", "written GB"]
    return table([*heads, *(f"hours, {_cores(cores)}" for cores in CORES)], rows)


def _clock(stages: Sequence[Load]) -> str:
    hours = {cores: sum(stage.seconds(cores) for stage in stages) / HOUR for cores in CORES}
    said = ", ".join(f"{hours[cores]:,.1f} hours on {_cores(cores)}" for cores in CORES)
    alone = sum(stage.cpu for stage in stages if stage.name in ALONE) / HOUR
    return f"In all {said}; {alone:.1f} of them are stages of one task ({', '.join(ALONE)})."


def _cores(cores: int) -> str:
    return "1 core" if cores == 1 else f"{cores:,} cores"


def _breaks(measured: Measured, documents: float) -> str:
    """What is the first to give way, and where."""
    costs = measured.sizes[measured.largest]
    count = documents_of(costs)
    similar = SIMILAR_ENDS * costs["evidence"].rows / count
    first = (PEAK_BYTES - FIXED_BYTES) / (similar * LOSER_BYTES)
    return "\n".join(
        [
            "What breaks first:",
            "",
            f"- Memory: `losers` is one task and holds {LOSER_BYTES} bytes of every document that has a "
            "near-duplicate. With the sample's share of those it passes 1.5 GB at "
            f"{first:.1e} documents; the union has {documents:.1e}, and would take "
            f"{(documents * similar * LOSER_BYTES + FIXED_BYTES) / 1e9:.1f} GB there.",
            "- Time: on 1,000 cores the stages of one task, the driver, and before them the largest dump.",
            "- Requests: on an object store without a shuffle of its own, each cell is two reads.",
        ]
    )


def _readers(rates: Rates) -> str:
    """Pages and comments by every way of reading them."""
    rows: list[list[object]] = []
    for name, seconds in PAGE_SECONDS.items():
        whole = PAGES * (seconds + LANGUAGE_SECONDS)
        rows.append([f"{PAGES:.0e} pages, {name}, and their language", 1e6 * whole / PAGES, *_hours(whole)])
    for packing in (".zst", ".bz2"):
        seconds = sum(per_byte(rates, stage, f"reddit {packing}") for stage in ("threads", "bodies"))
        whole = COMMENTS * PACKED * seconds
        rows.append([f"{COMMENTS:.0e} comments, {packing}, read twice", 1e6 * whole / COMMENTS, *_hours(whole)])
    return table(
        ["reader", "CPU-us each", "core-hours", *(f"hours, {_cores(cores)}" for cores in CORES[1:])], rows
    )


def _hours(seconds: float) -> list[str]:
    return [f"{seconds / HOUR / cores:,.1f}" for cores in CORES]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--price-of", default="dataflow-us-central1,gce-us-central1", help="tables (%(default)s)")
    options = parser.parse_args()
    measured = msgspec.json.decode((COSTS / "scale.json").read_bytes(), type=Measured, strict=False)
    rates = load_rates(str(COSTS / "rates.json"))
    prices = [load_prices(str(COSTS / "prices.toml"), name) for name in options.price_of.split(",")]
    text = section(measured, rates, prices)
    print(text)
    write_section("scale", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
