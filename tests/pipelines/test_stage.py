"""Stages, spills and the local engine: what is exchanged arrives, what is done is not done again, keys mean it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from corpus import storage
from corpus.errors import SourceError, StoreError
from corpus.table import Columns, concat
from pipelines.driver import Driver
from pipelines.engines.local import LocalEngine
from pipelines.lease import lease
from pipelines.progress import Progress, megabytes, progress_line
from pipelines.stage import Output, Sealed, Stage, find_sealed
from pipelines.summary import table


@dataclass(frozen=True)
class Numbers:
    """Each task emits its share of 0..999 by remainder; each reduce writes its numbers, sorted."""

    tasks: int
    partitions: int
    calls: str
    fails: int = -1


def emit_numbers(job: Numbers, number: int, output: Output) -> None:
    with open(job.calls, "a") as file:
        file.write(f"map {number}\n")
    if number == job.fails:
        raise SourceError("a file is broken", where="file 3", remedy="mend it")
    for start in range(number, 1000, job.tasks * 50):
        values = np.arange(start, min(start + job.tasks * 50, 1000), job.tasks)
        output.emit(values % job.partitions, {"value": values})
        output.counts["numbers"] += len(values)


def write_numbers(job: Numbers, partition: int, blocks: Iterator[Columns], output: Output) -> None:
    found = concat(blocks)
    values = np.sort(found["value"]) if found else np.zeros(0, np.int64)
    output.write("numbers.arrow", {"value": values})


def stage_of(tmp_path: Path, tasks: int = 4, partitions: int = 3, fails: int = -1) -> Stage:
    return Stage(
        name="numbers",
        store=str(tmp_path / "store"),
        rules={"version": 1},
        inputs=["a"],
        job=Numbers(tasks, partitions, str(tmp_path / "calls"), fails),
        tasks=tasks,
        map=emit_numbers,
        partitions=partitions,
        reduce=write_numbers,
    )


def run(stage: Stage, workers: int) -> Sealed:
    with LocalEngine(workers, lambda size, rows: None) as engine:
        return Driver(engine, Progress(io.StringIO())).run(stage)


@pytest.mark.parametrize("workers", [1, 2])
def test_everything_emitted_arrives_once(tmp_path: Path, workers: int) -> None:
    sealed = run(stage_of(tmp_path), workers)
    assert sealed.counts == {"numbers": 1000}
    from corpus.part import read_part

    found = [concat(read_part(url))["value"].tolist() for url in sealed.urls("numbers.arrow")]
    assert found == [list(range(remainder, 1000, 3)) for remainder in range(3)]
    left = {path.split("/")[0] for path in storage.list_files(sealed.folder)}
    assert left == {"parts", "stage.json"}


def test_the_result_does_not_know_its_workers(tmp_path: Path) -> None:
    one, two = (tmp_path / name for name in ("one", "two"))
    one.mkdir(), two.mkdir()
    assert run(stage_of(one), 1).digest == run(stage_of(two), 3).digest


def test_a_partition_without_rows_is_reduced_too(tmp_path: Path) -> None:
    sealed = run(stage_of(tmp_path, tasks=1, partitions=1), 1)
    empty = run(replace(stage_of(tmp_path, tasks=0, partitions=2), name="empty"), 1)
    assert (len(sealed.parts), len(empty.parts)) == (1, 2)
    assert [part.rows for part in empty.parts] == [0, 0]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failed_task_leaves_the_done_ones_done(tmp_path: Path, workers: int) -> None:
    stage = stage_of(tmp_path, fails=3)
    with pytest.raises(SourceError, match="a file is broken"):
        run(stage, workers)
    done = storage.list_files(storage.join(stage.folder, "done"))
    assert "map-00003.json" not in done
    before = (tmp_path / "calls").read_text().splitlines()
    mended = replace(stage, job=replace(stage.job, fails=-1))
    assert run(mended, workers).counts == {"numbers": 1000}
    after = (tmp_path / "calls").read_text().splitlines()[len(before) :]
    assert len(after) == 4 - len([name for name in done if name.startswith("map")])


def test_a_sealed_stage_is_found_unless_a_part_is_gone(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    sealed = run(stage, 1)
    found = find_sealed(stage)
    assert found is not None
    assert (found.parts, found.counts, found.folder) == (sealed.parts, sealed.counts, sealed.folder)
    storage.remove(sealed.urls("numbers.arrow")[1])
    assert find_sealed(stage) is None
    assert run(stage, 1).parts == sealed.parts


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("name", ["stage.json", "parts/reduce-00001-numbers.arrow"])
@pytest.mark.parametrize("harm", [cut, Path.unlink])
def test_a_stage_whose_files_are_harmed_is_run_again(
    tmp_path: Path, name: str, harm: Callable[[Path], None]
) -> None:
    stage = stage_of(tmp_path)
    sealed = run(stage, 1)
    harm(Path(stage.folder, name))
    assert find_sealed(stage) is None
    again = run(stage, 1)
    assert (again.key, again.parts, again.counts) == (sealed.key, sealed.parts, sealed.counts)
    assert (tmp_path / "calls").read_text().splitlines() == 2 * [f"map {number}" for number in range(4)]


@pytest.mark.parametrize("harm", [cut, Path.unlink])
def test_a_done_task_whose_part_is_harmed_is_run_again(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    """What an unfinished stage may look like after a disk lost something: it is not sealed so."""
    stage = stage_of(tmp_path, tasks=2)
    with LocalEngine(1, lambda size, rows: None) as engine:
        engine.run(stage)
        harm(Path(stage.folder, "parts", "reduce-00001-numbers.arrow"))
        with pytest.raises(StoreError, match="a part of a task that was done") as caught:
            Driver(engine, Progress(io.StringIO())).run(stage)
    assert caught.value.where == f"{stage.folder}, reduce-00001"
    said = io.StringIO()
    with LocalEngine(1, lambda size, rows: None) as engine:
        assert Driver(engine, Progress(said)).run(stage).counts == {"numbers": 1000}
    assert "4 of 5 tasks done before: goes on with the others" in said.getvalue()
    assert (tmp_path / "calls").read_text().splitlines() == ["map 0", "map 1"]


def test_the_key_is_of_what_decides_the_result(tmp_path: Path) -> None:
    stage = stage_of(tmp_path)
    others = [
        replace(stage, name="other"),
        replace(stage, rules={"version": 2}),
        replace(stage, inputs=["b"]),
        replace(stage, tasks=5),
        replace(stage, partitions=4),
    ]
    assert len({stage.key, *(other.key for other in others)}) == 6
    elsewhere = replace(stage, store="elsewhere", job=replace(stage.job, calls="other"))
    assert elsewhere.key == stage.key


def test_a_store_is_held_by_one_build(tmp_path: Path) -> None:
    with lease(str(tmp_path)), pytest.raises(StoreError, match="another build"), lease(str(tmp_path)):
        pass
    with lease(str(tmp_path)):
        pass


def test_what_a_person_sees() -> None:
    """Golden transcripts of a progress line and a table."""
    assert progress_line("encode", 2.0, (30_000_000, 1234), 90_000_000) == (
        "encode          30.0 MB        1,234 rows    15.0 MB/s  0:04 left"
    )
    assert progress_line("exact", 0.5, (0, 7), 0) == "exact                              7 rows"
    assert [megabytes(size) for size in (0, 999, 1500, 2.5e6, 3e9, 8e11)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "2.5 MB",
        "3.0 GB",
        "800.0 GB",
    ]
    assert table(["source", "kept"], [["a", "1,000"], ["longer", "2"]]) == (
        "source   kept\n------  -----\na       1,000\nlonger      2"
    )
