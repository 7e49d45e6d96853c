"""Money: by tables that a person names, added up as a bill is, and a build that stops before it is exceeded."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_corpus import ROOT, Tiny, command, digest_of

from corpus.errors import BudgetError, RecipeError
from corpus.part import PartFacts
from pipelines.planning.budget import Limit
from pipelines.planning.forecast import Forecast
from pipelines.planning.planner import Plan, Planned
from pipelines.planning.prices import Prices, load_prices
from pipelines.stage import Sealed

COSTS = ROOT / "workflows" / "costs"
TABLES = ("dataflow-us-central1", "gce-us-central1", "ec2-us-east-1")
DEAR = """
[[table]]
name = "dear"
provider = "nobody"
region = "nowhere"
currency = "XTS"
date = "2026-01-01"
pages = []
vcpu_hour = 36_000_000.0
"""


@pytest.mark.parametrize("name", TABLES)
def test_a_table_says_where_it_stands_and_what_nobody_looked_up(name: str) -> None:
    prices = load_prices(str(COSTS / "prices.toml"), name)
    assert prices.pages and prices.date and prices.currency == "USD"
    assert set(prices.unverified) <= set(Prices.__struct_fields__)


def test_an_unknown_table_names_those_there_are() -> None:
    with pytest.raises(RecipeError, match="no table of prices") as error:
        load_prices(str(COSTS / "prices.toml"), "gold")
    assert all(name in str(error.value) for name in TABLES)


def planned(cpu: float, shuffled: float, tasks: int, partitions: int, parts: int) -> Planned:
    facts = tuple(PartFacts(f"map-{n:05d}-x.arrow", 1, "", "", 2**30) for n in range(parts))
    sealed = Sealed("some", "", {}, (), facts, {})
    return Planned("some", tasks, partitions, False, sealed, "", Forecast(cpu, 0.0, shuffled, sealed, ()))


@given(
    hours=st.integers(0, 1000),
    gigabytes=st.integers(0, 1000),
    tasks=st.integers(1, 50),
    partitions=st.integers(0, 50),
    parts=st.integers(0, 20),
    shuffle_price=st.sampled_from([0.0, 0.011]),
)
def test_a_bill_adds_up(
    hours: int, gigabytes: int, tasks: int, partitions: int, parts: int, shuffle_price: float
) -> None:
    """Against the bill a clerk would write, in thousandths of a cent; who sells a shuffle writes no spills."""
    prices = Prices(
        name="x",
        provider="x",
        region="x",
        currency="XTS",
        date="",
        pages=(),
        vcpu_hour=0.05,
        memory_gb_hour=0.004,
        memory_gb_per_vcpu=8,
        shuffle_gb=shuffle_price,
        storage_gb_month=0.02,
        egress_gb=0.12,
        write_1000=0.005,
        read_1000=0.0004,
    )
    one = planned(hours * 3600, gigabytes * 2**30, tasks, partitions, parts)
    writes = parts + 1  # the parts and the seal
    reads = 0
    for _ in range(tasks):
        writes, reads = writes + 1, reads + 1
        if partitions and not shuffle_price:
            writes += 1
    for _ in range(partitions):
        writes, reads = writes + 1, reads + 1 + (0 if shuffle_price else 2 * tasks)
    bill = hours * 5000 + hours * 8 * 400 + gigabytes * shuffle_price * 100_000 + (writes * 0.5 + reads * 0.04)
    assert prices.of_stage(one) * 100_000 == pytest.approx(bill)
    assert prices.of_month(parts * 2**30) == pytest.approx(parts * 0.02)


def test_what_was_spent_takes_the_place_of_what_was_foreseen() -> None:
    prices = Prices(name="x", provider="", region="", currency="XTS", date="", pages=(), vcpu_hour=3600.0)
    assert prices.of_stage(planned(10.0, 0, 1, 0, 0)) == pytest.approx(10)
    assert prices.of_stage(planned(10.0, 0, 1, 0, 0), 4.0) == pytest.approx(4)


@given(spent=st.integers(0, 100), rest=st.integers(0, 100), limit=st.integers(0, 200))
def test_a_limit_admits_what_it_holds_and_no_more(spent: int, rest: int, limit: int) -> None:
    prices = Prices(name="x", provider="", region="", currency="XTS", date="", pages=(), vcpu_hour=3600.0)
    plan = Plan((planned(float(rest), 0, 1, 0, 0),))
    if spent + rest <= limit:
        Limit(limit, prices).admit(plan, spent)
    else:
        with pytest.raises(BudgetError):
            Limit(limit, prices).admit(plan, spent)


def test_money_is_shown_by_the_table_that_is_named(tiny: Tiny) -> None:
    said = ["--recipe", tiny.recipe, "--data", tiny.data, "--out", tiny.store, "--dry-run", "--without", "own"]
    done = command("build_corpus.py", *said, "--price-of", "gce-us-central1")
    assert done.returncode == 0, done.stderr
    assert "money: " in done.stdout and "from memory: vcpu_hour, memory_gb_hour" in done.stdout
    assert "money: " not in command("build_corpus.py", *said).stdout


def test_a_limit_without_prices_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    done = command(
        "build_corpus.py", "--recipe", tiny.recipe, "--data", tiny.data, "--out", tmp_path, "--max-cost", "5"
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "error: a limit needs prices"


def limited(tiny: Tiny, store: Path, prices: Path, rates: Path, amount: str) -> tuple[int, list[str]]:
    """A build of what has measured formats, by dear prices within a limit."""
    done = command(
        "build_corpus.py", "--recipe", tiny.recipe, "--data", tiny.data, "--out", store, "--without", "own",
        "--workers", "1", "--encoder", "tokenizers", "--prices", prices, "--price-of", "dear", "--rates", rates,
        "--max-cost", amount,
    )  # fmt: skip
    return done.returncode, [line for line in done.stderr.splitlines() if line[:4] in ("erro", "   a", "   d")]


def test_a_build_that_is_too_dear_does_not_begin(tiny: Tiny, tmp_path: Path) -> None:
    """The golden transcript of the error, but for the amounts."""
    prices = tmp_path / "prices.toml"
    prices.write_text(DEAR)
    code, said = limited(tiny, tmp_path / "store", prices, COSTS / "rates.json", "1")
    assert code == 1
    assert said[0].startswith("error: this build would cost ") and said[0].split(": ")[2].startswith(
        "0.00 XTS is spent"
    )
    assert said[1:] == [
        "   at: --max-cost 1.00 XTS, by the prices of dear",
        "   do: allow more, or leave sources out with --without; what is sealed is kept",
    ]
    assert not list(tmp_path.glob("store/stages/*"))


def test_a_build_stops_when_its_stages_turn_out_dearer_than_foreseen(tiny: Tiny, tmp_path: Path) -> None:
    """By rates of nothing the rest costs nothing: what the clock says of the first stages exceeds the limit."""
    prices, rates, store = tmp_path / "prices.toml", tmp_path / "rates.json", tmp_path / "store"
    prices.write_text(DEAR)
    free = json.loads((COSTS / "rates.json").read_text())
    for variants in free["stages"].values():
        for rate in variants.values():
            rate["cpu_seconds"] = {}
    rates.write_text(json.dumps(free))
    code, said = limited(tiny, store, prices, rates, "1000")  # a tenth of a second
    assert code == 1 and "0.00 XTS is spent" not in said[0], said
    sealed = {path.parent.parent.name for path in store.glob("stages/*/*/stage.json")}
    assert sealed and "shards" not in sealed and not list(store.glob("refs/*"))
    on = ["--recipe", tiny.recipe, "--data", tiny.data, "--out", store, "--without", "own", "--workers", "1"]
    again = command("build_corpus.py", *on)
    assert again.returncode == 0, again.stderr
    assert sum("sealed before" in line for line in again.stderr.splitlines()) == len(sealed)


def test_where_no_rate_is_known_a_limited_build_does_not_begin(tiny: Tiny, tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(DEAR)
    line = ["--recipe", tiny.recipe, "--data", tiny.data, "--out", tmp_path / "store", "--prices", prices]
    done = command("build_corpus.py", *line, "--price-of", "dear", "--max-cost", "1e12")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: no estimate of the whole: no rate is known of jsonl .gz",
        "   at: --max-cost 1,000,000,000,000.00 XTS",
        "   do: name rates that hold them with --rates, or build without --max-cost",
    ]
    assert not list(tmp_path.glob("store/stages/*"))


def test_a_limit_that_holds_moves_nothing(tiny: Tiny, tmp_path: Path) -> None:
    line = ["--recipe", tiny.recipe, "--data", tiny.data, "--out", tiny.store, "--max-cost", "1e6"]
    done = command("build_corpus.py", *line, "--price-of", "ec2-us-east-1")
    assert digest_of(done.stdout) == tiny.digest
    assert msgspec.json.decode((COSTS / "rates.json").read_bytes())["schema"] == "tokentrail/rates/1"
