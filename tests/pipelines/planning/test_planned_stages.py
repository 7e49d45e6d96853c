"""A plan beside the build that it is a plan of, at every point of that build; and what it does not know."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from outlooks import CATALOGUE, RATES, blobs_of, outlook_of, recipe_of
from tiny_corpus import ROOT, Tiny, command

from corpus.errors import RecipeError
from corpus.part import blob_digest
from corpus.recipe import load_recipe
from corpus.source import Blob
from corpus.source_catalogue import load_catalogue
from pipelines import stages
from pipelines.driver import Driver
from pipelines.engines.local import LocalEngine
from pipelines.planning.plan import Outlook
from pipelines.planning.plan_table import plan_table
from pipelines.planning.planner import Plan
from pipelines.planning.rates import load_rates
from pipelines.progress import Progress
from pipelines.stage import Sealed, Stage

OPT = ROOT / "workflows" / "recipes" / "opt.toml"
FACTOR = 3.0  # made-up words of a few hundred kilobytes, by rates of books, pages and threads


class Foreseen:
    """A driver that plans the rest before each stage, runs the stage, and keeps both."""

    def __init__(self, outlook: Outlook, engine: LocalEngine) -> None:
        self._outlook, self._engine = outlook, engine
        self._driver = Driver(engine, Progress())
        self.blobs: list[Blob] = []
        self.before: list[Plan] = []
        self.ran: list[tuple[Stage, Sealed]] = []

    def run(self, stage: Stage, total_bytes: int = 0) -> Sealed:
        self.before.append(self._outlook.plan(self.blobs))
        sealed = self._driver.run(stage, total_bytes)
        self.ran.append((stage, sealed))
        return sealed


@pytest.fixture(scope="module")
def foreseen(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Foreseen:
    recipe = recipe_of(tiny)
    outlook = outlook_of(recipe, tiny.data, tmp_path_factory.mktemp("foreseen"))
    with LocalEngine(1, lambda size, documents: None) as engine:
        driver = Foreseen(outlook, engine)
        driver.blobs = blobs_of(recipe, tiny.data)
        build = outlook.building(driver)
        driver.blobs = list(stages.pin_blobs(build, driver.blobs))
        stages.run(build, tuple(driver.blobs))
    return driver


def test_every_plan_names_the_stages_of_the_build_in_their_order(foreseen: Foreseen) -> None:
    ran = [stage.name for stage, _ in foreseen.ran]
    for number, plan in enumerate(foreseen.before):
        planned = [one.name for one in plan.stages]
        assert planned == (ran if number == 0 else ran[1:])  # what pinned files need not is to be pinned
        assert [one.name for one, _ in plan.to_run] == ran[number:]


def test_tasks_and_partitions_are_those_of_the_build_wherever_nothing_is_foreseen(foreseen: Foreseen) -> None:
    for number, plan in enumerate(foreseen.before):
        planned = {one.name: one for one in plan.stages}
        assert planned[foreseen.ran[number][0].name].exact
        for stage, _ in foreseen.ran:
            one = planned.get(stage.name)
            if one is not None and one.exact:
                assert (one.tasks, one.partitions) == (stage.tasks, stage.partitions), stage.name


def test_what_a_first_plan_can_know_it_knows(foreseen: Foreseen) -> None:
    assert {one.name for one in foreseen.before[0].stages if one.exact} == {
        "pin",
        "documents",
        "threads",
        "vocabulary",
    }


def test_a_first_plan_knows_bytes_within_a_factor(foreseen: Foreseen) -> None:
    """Of the stages that hold more than a twentieth of it all, and of their sum."""
    plan = {one.name: one for one in foreseen.before[0].stages}
    written = {stage.name: sum(part.bytes for part in sealed.parts) for stage, sealed in foreseen.ran}
    whole = sum(written.values())
    for name, size in written.items():
        if size > whole / 20 and name != "vocabulary":
            assert size / FACTOR < plan[name].written < size * FACTOR, name
    assert plan["vocabulary"].written == pytest.approx(written["vocabulary"], rel=0.01)
    assert whole / FACTOR < foreseen.before[0].stays < whole * FACTOR


def test_a_plan_of_what_is_sealed_is_what_is_there(foreseen: Foreseen, tiny: Tiny) -> None:
    plan = foreseen._outlook.plan(foreseen.blobs)
    assert not plan.to_run
    there = [sealed for stage, sealed in foreseen.ran if stage.name != "pin"]
    assert plan.stays == plan.peak == sum(part.bytes for sealed in there for part in sealed.parts)


def test_a_plan_writes_nothing(tiny: Tiny, tmp_path: Path) -> None:
    store = tmp_path / "store"
    recipe = recipe_of(tiny)
    plan = outlook_of(recipe, tiny.data, store).plan(blobs_of(recipe, tiny.data))
    assert len(plan.to_run) == len(plan.stages) and not store.exists()


def test_what_is_given_to_a_stage_decides_its_forecast(tiny: Tiny, tmp_path: Path) -> None:
    """Ten thousand times the bytes on disk: as many times the blocks' text, and not fewer tasks."""
    recipe = recipe_of(tiny)
    outlook = outlook_of(recipe, tiny.data, tmp_path)
    hashed = [
        msgspec.structs.replace(blob, sha256=blob_digest(f"{tiny.data}/{blob.path}")[0])
        for blob in blobs_of(recipe, tiny.data)
    ]
    small = outlook.plan(hashed)
    large = outlook.plan([msgspec.structs.replace(blob, size=blob.size * 10_000) for blob in hashed])
    for one, other in zip(small.stages, large.stages, strict=True):
        assert one.name == other.name and one.tasks <= other.tasks and one.partitions <= other.partitions
    found = {one.name: (one, other) for one, other in zip(small.stages, large.stages, strict=True)}
    one, other = found["documents"]
    assert other.written == pytest.approx(10_000 * one.written, rel=0.01)
    assert found["signatures"][1].partitions > found["signatures"][0].partitions


def stages_defined() -> Iterator[str]:
    """The name of every stage that the pipeline's definition holds."""
    for name in ("stages.py", "document_stages.py"):
        for node in ast.walk(ast.parse((ROOT / "pipelines" / name).read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "build.stage":
                assert isinstance(node.args[0], ast.Constant)
                yield str(node.args[0].value)


def test_every_stage_is_measured() -> None:
    """A new stage is measured before it is merged; one that is gone leaves the rates."""
    assert set(stages_defined()) == set(load_rates(str(RATES)).stages)


def test_a_stage_that_was_never_measured_is_an_error(tiny: Tiny, tmp_path: Path) -> None:
    rates = load_rates(str(RATES))
    fewer = msgspec.structs.replace(
        rates, stages={name: rate for name, rate in rates.stages.items() if name != "candidates"}
    )
    recipe = recipe_of(tiny)
    outlook = dataclasses.replace(outlook_of(recipe, tiny.data, tmp_path), rates=fewer)
    with pytest.raises(RecipeError, match="never measured") as error:
        outlook.plan(blobs_of(recipe, tiny.data))
    assert "stage candidates" in str(error.value)


def test_what_no_rate_is_known_of_is_left_out_and_said(tiny: Tiny, tmp_path: Path) -> None:
    for without, unmeasured in ((["own"], []), ([], ["jsonl .gz"])):
        recipe = recipe_of(tiny, without=without)
        outlook = outlook_of(recipe, tiny.data, tmp_path)
        plan = outlook.plan(blobs_of(recipe, tiny.data))
        assert plan.unmeasured == unmeasured
        said = plan_table(plan, outlook.sizes, outlook.rates, "rates.json", None)
        assert ("left out of every figure: jsonl .gz: no rate is known" in said) == bool(unmeasured)


def test_sizes_are_measured_expected_or_unknown(tmp_path: Path) -> None:
    """The golden transcript of a plan over files that are not here."""
    done = command("build_corpus.py", "--recipe", OPT, "--data", tmp_path, "--out", tmp_path / "out", "--dry-run")
    assert done.returncode == 0, done.stderr
    inputs = next(part for part in done.stdout.split("\n\n") if part.startswith("input ")).splitlines()
    known = {line.split()[0]: line.split()[-1] for line in inputs[2:]}
    assert known == {
        "bookcorpus": "expected",
        "stories": "expected",
        "ccnews": "unknown",
        "pile": "expected",
        "reddit": "unknown",
    }
    for name in ("ccnews", "reddit"):
        assert f"left out of every figure: input {name}: nobody says how large it is" in done.stdout
    assert " 427.0 GB  expected" in next(line for line in inputs if line.startswith("pile "))
    assert " USD" not in done.stdout  # no money by prices that nobody named


def test_expected_text_is_what_the_plan_holds() -> None:
    """The catalogue says how much text the Pile's eight sets have: the blocks are to hold that, packed."""
    recipe, rates = load_recipe(str(OPT)), load_rates(str(RATES))
    recipe = recipe.without(
        [s.name for s in recipe.source if s.name in ("bookcorpus", "cc-stories", "ccnews", "reddit")]
    )
    catalogue = load_catalogue(str(CATALOGUE))
    known = [catalogue.of(source) for source in recipe.source]
    text = sum(entry.expected.text_bytes.value for entry in known if entry and entry.expected.text_bytes)
    plan = outlook_of(recipe, Path("nowhere"), Path("nowhere")).plan([])
    rate = rates.stages["documents"]["pile .zst"]
    packed = text * rate.parts[".text.arrow"].bytes.per_byte / rate.text.per_byte
    documents = next(one for one in plan.stages if one.name == "documents")
    held = sum(part.bytes for part in documents.sealed.parts if part.name.endswith(".text.arrow"))
    assert held == pytest.approx(packed, rel=0.001)
    assert not documents.exact
