"""A plan as a person reads it: inputs and how their sizes are known, stages, what is reused and why not all."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.planning.budget import cost_of
from pipelines.planning.input_sizes import InputSize
from pipelines.planning.planner import Plan, Planned
from pipelines.planning.prices import Prices
from pipelines.planning.rates import Rates, format_of
from pipelines.progress import megabytes
from pipelines.source_tables import UNKNOWN, wrapped
from pipelines.summary import table


def plan_table(
    plan: Plan, sizes: Sequence[InputSize], rates: Rates, rates_file: str, prices: Prices | None
) -> str:
    """The tables of a plan; money only by the prices that a person named."""
    parts = [_inputs(sizes), _stages(plan, prices), _totals(plan, prices), _reuse(plan), _left_out(plan, sizes)]
    parts += [_sources(rates, rates_file, prices)]
    return "\n\n".join(part for part in parts if part)


def _inputs(sizes: Sequence[InputSize]) -> str:
    rows = []
    for size in sizes:
        here = size.known == "measured"
        formats = {format_of(size.entry, blob.path) for blob in size.blobs} or {size.entry.reader}
        rows.append(
            [
                size.entry.name,
                ", ".join(sorted(formats)),
                f"{len(size.blobs):,}" if here else "not here",
                UNKNOWN if size.known == "unknown" else megabytes(size.bytes),
                size.known,
            ]
        )
    return table(["input", "format", "files", "on disk", "size"], rows, left=2)


def _stages(plan: Plan, prices: Prices | None) -> str:
    """A row a stage; `~` is an estimate where a function of the inputs will decide."""
    header = ["stage", "tasks", "exchange", "reads", "shuffles", "writes", "CPU-hours"]
    header += [prices.currency] if prices else []
    rows = []
    for one in plan.stages:
        mark = "" if one.exact else "~"
        row = [one.name, f"{mark}{one.tasks:,}", f"{mark}{one.partitions:,}" if one.partitions else ""]
        if one.forecast is None:
            row += ["sealed", "", megabytes(one.written), ""]
        else:
            known = one.forecast
            shuffled = megabytes(known.shuffled) if one.partitions else ""
            row += [megabytes(known.read), shuffled, megabytes(one.written), _hours(known.cpu_seconds)]
        rows.append([*row, _amount(one, prices)] if prices else row)
    return table(header, rows)


def _amount(one: Planned, prices: Prices) -> str:
    return "" if one.forecast is None else f"{prices.of_stage(one):,.2f}"


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:,.4f}" if seconds < 3600 else f"{seconds / 3600:,.1f}"


def _totals(plan: Plan, prices: Prices | None) -> str:
    costs = [known for _, known in plan.to_run]
    seconds = sum(known.cpu_seconds for known in costs)
    shuffled = megabytes(sum(known.shuffled for known in costs))
    lines = [
        f"in all {_hours(seconds)} CPU-hours, {shuffled} shuffled; the store grows to {megabytes(plan.peak)} and "
        f"keeps {megabytes(plan.stays)}"
    ]
    if prices:
        requests = [one.requests(prices.spilling) for one, _ in plan.to_run]
        writes, reads = (sum(counts[kind] for counts in requests) for kind in (0, 1))
        month = prices.of_month(plan.stays)
        lines += [
            f"money: {prices.say(cost_of(plan, prices))}, of which {prices.say(month)} for a month of what stays; "
            f"{writes:,} writes and {reads:,} reads of objects",
            f"to carry what stays out of the region: {prices.say(prices.of_egress(plan.stays))} more",
        ]
    return "\n".join(lines)


def _reuse(plan: Plan) -> str:
    sealed = [one.name for one in plan.stages if one.forecast is None]
    lines = [wrapped(", ".join(sealed) or "nothing", "reused: ", " " * 8)]
    lines += [wrapped(f"{one.name:<12}{one.why}", "runs: ", " " * 18) for one, _ in plan.to_run]
    return "\n".join(lines)


def _left_out(plan: Plan, sizes: Sequence[InputSize]) -> str:
    """What no figure above holds."""
    lines = [f"input {size.entry.name}: nobody says how large it is" for size in sizes if size.known == "unknown"]
    lines += [
        f"input {size.entry.name}: nothing here matches `{pattern}`"
        for size in sizes
        for pattern in size.unmatched
        if size.known == "measured"
    ]
    lines += [f"{name}: no rate is known" for name in plan.unmeasured]
    return "\n".join(f"left out of every figure: {line}" for line in lines)


def _sources(rates: Rates, rates_file: str, prices: Prices | None) -> str:
    said = ", ".join(f"{name} {value}" for name, value in rates.measured.items())
    lines = [
        f"Rates: {rates_file} ({said}). Filters and duplicates are taken to be as they were there. ~ follows from "
        "an estimate; an input that is not here is taken as one file, and as locked."
    ]
    if prices:
        memory = f", from memory: {', '.join(prices.unverified)}" if prices.unverified else ""
        lines.append(
            f"Prices: {prices.name}, {prices.provider}, {prices.region}, {prices.date}{memory}; a vCPU is "
            f"taken to be a core of the machine measured that never waits. {'; '.join(prices.pages)}."
        )
    return "\n".join(map(wrapped, lines))
