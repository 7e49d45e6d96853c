"""The union on paper: sums that agree, tasks as the pipeline counts them, the section as the script writes it."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.source_catalogue import load_catalogue
from pipelines.planning.prices import load_prices
from pipelines.planning.rates import load_rates

BENCHMARKS = Path(__file__).parents[2] / "workflows" / "benchmarks"

sys.path.insert(0, str(BENCHMARKS))
from union_costs import HOUR, section  # noqa: E402
from union_model import (  # noqa: E402
    COSTS,
    PAID_ONCE,
    RECIPES,
    Load,
    Measured,
    behind_readers,
    carried_on,
    documents_of,
    loads,
    sources,
    stage_shape,
)

sys.path.remove(str(BENCHMARKS))

MEASURED = msgspec.json.decode((COSTS / "scale.json").read_bytes(), type=Measured, strict=False)
RATES = load_rates(str(COSTS / "rates.json"))
UNION = sources(RATES, "resiliparse")


def test_the_union_is_the_papers() -> None:
    catalogue = load_catalogue(str(RECIPES / "catalogue.toml"))
    assert sum(one.text for one in UNION) == pytest.approx(catalogue.paper.text_bytes.value)
    assert len({one.name for one in UNION}) == len(UNION) == 12
    assert all(one.documents > 0 and one.text > 0 and one.reading > 0 for one in UNION)


def test_what_the_sources_cost_is_what_the_stages_cost() -> None:
    stages = loads(MEASURED, RATES, UNION)
    said = section(MEASURED, RATES, [])
    (row,) = (line for line in said.splitlines() if line.startswith("| in all | "))
    in_all = float(row.split(" | ")[-1].rstrip(" |").replace(",", ""))
    assert in_all == pytest.approx(sum(stage.cpu for stage in stages) / HOUR, abs=0.1)
    by_name = {stage.name: stage for stage in stages}
    assert by_name["reading"].cpu == pytest.approx(sum(one.reading for one in UNION))


def test_tasks_are_counted_as_the_pipeline_counts_them() -> None:
    for costs in MEASURED.sizes.values():
        documents = documents_of(costs)
        text = documents * 2000.0  # bytes, about: drawn documents of files are longer, chains shorter
        for name, (maps, partitions) in stage_shape(documents, text).items():
            if name in ("exact", "candidates", "evidence"):
                assert maps == pytest.approx(costs[name].tasks[0], rel=0.5, abs=2)
                assert partitions == pytest.approx(costs[name].tasks[1], rel=0.5, abs=2)


def test_what_is_carried_on_to_its_own_size_is_what_was_measured() -> None:
    """But for what is paid once, and for cells and tasks that the model counts by the mean length of a text."""
    for size, costs in MEASURED.sizes.items():
        count = documents_of(costs)
        once = sum(costs[name].cpu for name in PAID_ONCE)
        assert carried_on(MEASURED, size, count) == pytest.approx(behind_readers(costs) - once, rel=0.15)
        assert carried_on(MEASURED, size, 100 * count) > 90 * carried_on(MEASURED, size, count)


@given(cpu=st.floats(0.1, 1e6), tasks=st.integers(1, 10**5), longest=st.floats(0, 1e4), cores=st.integers(1, 4096))
def test_cores_divide_a_stage_and_not_its_tasks(cpu: float, tasks: int, longest: float, cores: int) -> None:
    load = Load("some", cpu, tasks, 0, 0.0, 0.0, longest)
    assert load.seconds(1) == pytest.approx(max(cpu, longest))
    assert max(longest, cpu / cores, cpu / tasks) <= load.seconds(cores) * (1 + 1e-9)
    assert load.seconds(2 * cores) <= load.seconds(cores)


def test_results_are_what_the_script_says_of_what_was_measured() -> None:
    prices = [
        load_prices(str(COSTS / "prices.toml"), name) for name in ("dataflow-us-central1", "gce-us-central1")
    ]
    whole = (BENCHMARKS / "RESULTS.md").read_text(encoding="utf-8")
    assert f"<!-- scale -->\n{section(MEASURED, RATES, prices).strip()}\n<!-- end of scale -->" in whole
