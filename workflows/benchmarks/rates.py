"""What every stage takes and makes, measured on real builds: the rates by which `--dry-run` plans.

    python workflows/benchmarks/rates.py [--formats DIR] [--bulk DIR] [--rounds 2]

The generated sample is always measured; --formats names raw files of every format (every-format.toml says how
they lie), --bulk jsonl.zst files with a `text` field. Of each format its files are read alone, some and then
more of them; then each corpus is built whole, by one worker, in this process. A rate is a line through what was
measured, over the bytes of raw files, or over the records and texts that a stage is given. Writes
workflows/costs/rates.json, and section "rates" of RESULTS.md: each build beside what the rates of all the others
say of it. Linux alone tells what a process has read.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import chain, cycle, islice
from pathlib import Path

import msgspec
from rates_fit import Observation, fitted
from results import machine, table, write_section

from corpus import storage
from corpus.drops import Drop
from corpus.part import blob_digest, read_part
from corpus.recipe import DUMPS, Recipe, load_recipe
from corpus.source import Blob, find_blobs
from pipelines import stages
from pipelines.build import Build
from pipelines.document_stages import read_all
from pipelines.driver import Driver
from pipelines.engines.local import LocalEngine
from pipelines.planning.input_sizes import InputSize
from pipelines.planning.lineage import Lineage
from pipelines.planning.plan import Outlook
from pipelines.planning.planner import Plan
from pipelines.planning.rates import SCHEMA, Rates, format_of
from pipelines.progress import Progress
from pipelines.stage import Sealed, Stage
from pipelines.steps.blocks import ROWS

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "workflows" / "recipes"
RATES = ROOT / "workflows" / "costs" / "rates.json"
ALONE_BYTES = 2 << 20  # of a format's files, as they lie on disk: then four times as much
MOST_FILES = 400  # of a format whose files are tiny
LIBRARIES = ("numba", "numpy", "orjson", "msgspec", "pyarrow", "tokenizers", "gigatoken", "zstandard")


@dataclass(frozen=True)
class Corpus:
    """What is built: a recipe over the first files of a folder, or all."""

    name: str
    recipe: Recipe
    data: Path
    blobs: tuple[Blob, ...]


class Watched:
    """This process's own engine; notes what each stage read and shuffled."""

    def __init__(self) -> None:
        self._engine = LocalEngine(1, lambda size, documents: None)
        self.read = self.shuffled = 0

    def run(self, stage: Stage) -> None:
        """Runs every task; what they shuffled is looked at before the seal clears it away."""
        before = _bytes_read()
        self._engine.run(stage)
        self.shuffled = sum(storage.list_sizes(storage.join(stage.folder, "spill")).values())
        self.read = _bytes_read() - before - self.shuffled


class Recorder:
    """A driver that notes what each stage was given, took and made."""

    def __init__(self, corpus: Corpus, encoder: str) -> None:
        self._corpus, self._encoder = corpus.name, encoder
        self._engine = Watched()
        self._driver = Driver(self._engine, Progress())
        self._lineage = Lineage(corpus.recipe)
        self._lineage.reading(corpus.blobs)
        self.observed: list[Observation] = []

    def run(self, stage: Stage, total_bytes: int = 0) -> Sealed:
        """Runs the stage."""
        given = self._lineage.given(stage, total_bytes, lambda name, blob: blob.size)
        sealed = self._driver.run(stage, total_bytes)
        self._lineage.stages[sealed.digest] = sealed
        if len(given.files) > 1:  # each of its formats is measured alone
            variant, size = "*", sum(files.bytes for files in given.files.values())
        else:
            ((variant, size),) = {name: files.bytes for name, files in given.files.items()}.items() or [
                (self._encoder if stage.name == "encode" else "", given.bytes)
            ]
        self.observed.append(
            Observation(
                corpus=self._corpus,
                stage=stage.name,
                variant=variant,
                rows=round(given.rows),
                bytes=round(size),
                cpu_seconds=sealed.cpu_seconds,
                read=self._engine.read,
                shuffled=self._engine.shuffled,
                written=sum(part.bytes for part in sealed.parts),
                text=_text_bytes(sealed),
                tasks=(stage.tasks, stage.partitions),
                parts=tuple((part.name, part.rows, part.bytes) for part in sealed.parts),
            )
        )
        return sealed


def main() -> int:
    options = _options()
    corpora = list(_corpora(options))
    with tempfile.TemporaryDirectory(prefix="rates-") as folder:
        work = Path(folder)
        _built(corpora[0], "fast", work)  # uncounted: the first build on a machine compiles the kernels
        alone = list(_formats(corpora, work))
        whole = [_cheapest(corpus, "fast", options.rounds, work) for corpus in corpora]
        defining = [_cheapest(corpus, "tokenizers", 1, work) for corpus in corpora[:2]]
    encoded = [one for one in chain(*defining) if one.stage == "encode"]
    observed = [one for one in [*alone, *chain(*whole), *encoded] if one.variant != "*"]
    rates = Rates(SCHEMA, _measured(corpora), fitted(observed))
    RATES.write_bytes(msgspec.json.format(msgspec.json.encode(rates), indent=1) + b"\n")
    text = _section(corpora, whole, observed, options)
    print(text)
    write_section("rates", text)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--formats", type=Path, help="a folder of raw files of every format")
    parser.add_argument("--bulk", type=Path, help="a folder of jsonl.zst files of distinct text")
    parser.add_argument("--rounds", type=int, default=2, help="builds of each corpus; the cheapest counts")
    return parser.parse_args()


def _corpora(options: argparse.Namespace) -> Iterator[Corpus]:
    """What is built whole: the sample, and of the user's text a file, two, and all."""
    yield _corpus("sample", "sample", ROOT / "data" / "sample")
    if options.bulk:
        every = _corpus("bulk", "bulk", options.bulk)
        for count in sorted({1, 2, len(every.blobs)}):
            yield Corpus(f"bulk, {count} file{'s' * (count > 1)}", every.recipe, every.data, every.blobs[:count])
    if options.formats:
        yield _corpus("every-format", "every-format", options.formats)


def _corpus(name: str, recipe: str, data: Path) -> Corpus:
    chosen = load_recipe(str(RECIPES / f"{recipe}.toml"))
    found = find_blobs(chosen, str(data)).blobs
    return Corpus(name, chosen, data, tuple(_pinned(blob, data) for blob in found))


def _pinned(blob: Blob, data: Path) -> Blob:
    return msgspec.structs.replace(blob, sha256=blob_digest(str(data / blob.path))[0])


def _formats(corpora: Sequence[Corpus], work: Path) -> Iterator[Observation]:
    """Every format read alone, twice: so many of its files, then where they can be repeated four times as many."""
    seen = set()
    for corpus in corpora:
        entries = {entry.name: entry for entry in corpus.recipe.input}
        groups: dict[str, list[Blob]] = {}
        for blob in corpus.blobs:
            groups.setdefault(format_of(entries[blob.input], blob.path), []).append(blob)
        for name, blobs in groups.items():
            if (corpus.recipe.name, name) in seen:
                continue
            seen.add((corpus.recipe.name, name))
            dump = entries[blobs[0].input].reader in DUMPS
            for sizes in _two_sizes(blobs, dump):
                data = work / "raw"
                some = tuple(_linked(blob, corpus.data, data, number) for number, blob in enumerate(sizes))
                yield from _read(Corpus(corpus.name, corpus.recipe, data, some), work)


def _two_sizes(blobs: Sequence[Blob], dump: bool) -> Iterator[list[Blob]]:
    """Files for a small and a large reading; of dumps no file twice, for a thread read twice is one thread."""
    if dump:
        yield from [list(blobs[: -(-len(blobs) // 2)]), list(blobs)] if len(blobs) > 1 else [list(blobs)]
        return
    for wanted in (ALONE_BYTES, 4 * ALONE_BYTES):
        taken: list[Blob] = []
        size = 0
        for blob in islice(cycle(blobs), MOST_FILES * wanted // (4 * ALONE_BYTES)):
            taken.append(blob)
            size += blob.size
            if size >= wanted:
                break
        yield taken


def _linked(blob: Blob, data: Path, target: Path, number: int) -> Blob:
    """A copy of a file under a name of its own."""
    path = f"{number}/{blob.path}"
    link = target / path
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to((data / blob.path).resolve())
    elif link.resolve() != (data / blob.path).resolve():
        link.unlink()
        link.symlink_to((data / blob.path).resolve())
    return msgspec.structs.replace(blob, path=path)


def _read(corpus: Corpus, work: Path) -> list[Observation]:
    recorder = Recorder(corpus, "fast")
    with tempfile.TemporaryDirectory(dir=work) as store:
        read_all(Build(corpus.recipe, str(corpus.data), store, "gpt2", "fast", recorder), corpus.blobs)
    return recorder.observed


def _built(corpus: Corpus, encoder: str, work: Path) -> list[Observation]:
    recorder = Recorder(corpus, encoder)
    with tempfile.TemporaryDirectory(dir=work) as store:
        build = Build(corpus.recipe, str(corpus.data), store, "gpt2", encoder, recorder)
        stages.pin_blobs(build, corpus.blobs)
        stages.run(build, corpus.blobs)
    return recorder.observed


def _cheapest(corpus: Corpus, encoder: str, rounds: int, work: Path) -> list[Observation]:
    """A corpus built so many times; of each stage the cheapest."""
    builds = [_built(corpus, encoder, work) for _ in range(rounds)]
    return [min(same, key=lambda one: one.cpu_seconds) for same in zip(*builds, strict=True)]


def _text_bytes(sealed: Sealed) -> int:
    """Normalised text of the records that no rule refused."""
    return sum(
        int(columns["text_bytes"][columns["drop"] == Drop.KEPT].sum())
        for url in sealed.urls(ROWS)
        for columns in read_part(url, ["text_bytes", "drop"])
    )


def _bytes_read() -> int:
    """What this process has read of files so far (Linux: proc(5), rchar)."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])


def _measured(corpora: Sequence[Corpus]) -> dict[str, str]:
    sizes = [f"{one.name} of {sum(blob.size for blob in one.blobs) / 1e6:.1f} MB" for one in corpora]
    return {
        "on": machine(),
        "with": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
        "at": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "over": "; ".join(sizes),
    }


def _section(
    corpora: Sequence[Corpus],
    whole: Sequence[Sequence[Observation]],
    observed: Sequence[Observation],
    options: argparse.Namespace,
) -> str:
    """Each build beside a plan by the rates of the others."""
    command = "python workflows/benchmarks/rates.py" + " --formats DIR" * bool(options.formats)
    parts = [
        "## Rates",
        f"`{command}{' --bulk DIR' * bool(options.bulk)}`: of each build what it took in CPU-seconds, shuffled "
        "and wrote in MB, and what a plan says of that, in times, by rates that were measured without it; only a "
        "format that no other corpus holds keeps its own rate. The plan knows the files' sizes and nothing else.",
        f"{machine()}.",
    ]
    for corpus, build in zip(corpora, whole, strict=True):
        if corpus.name.startswith("bulk") and corpus is not corpora[-2]:
            continue
        plan = _foretold(corpus, observed)
        parts += [f"{corpus.name}, {sum(blob.size for blob in corpus.blobs) / 1e6:.1f} MB on disk:"]
        parts += [_beside(plan, build)]
    return "\n\n".join(parts)


def _foretold(corpus: Corpus, observed: Sequence[Observation]) -> Plan:
    """A plan by rates that know nothing of this corpus, nor of parts of the same files."""
    kin = corpus.name.partition(",")[0]
    others = [one for one in observed if not one.corpus.startswith(kin)]
    known = {(one.stage, one.variant) for one in others}
    rates = Rates(SCHEMA, {}, fitted([*others, *(o for o in observed if (o.stage, o.variant) not in known)]))
    sizes = [
        InputSize(entry, "measured", tuple(blob for blob in corpus.blobs if blob.input == entry.name))
        for entry in corpus.recipe.input
    ]
    with tempfile.TemporaryDirectory() as store:
        building = partial(Build, corpus.recipe, str(corpus.data), store, "gpt2", "fast")
        unhashed = [msgspec.structs.replace(blob, sha256="") for blob in corpus.blobs]
        return Outlook(corpus.recipe, "fast", sizes, rates, building).plan(unhashed)


def _beside(plan: Plan, build: Sequence[Observation]) -> str:
    planned = {stage.name: stage for stage in plan.stages}
    rows: list[list[object]] = []
    totals = [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    for one in build:
        stage = planned[one.stage]
        known = stage.forecast
        pairs = [
            (one.cpu_seconds, known.cpu_seconds if known else 0.0),
            (one.shuffled / 1e6, known.shuffled / 1e6 if known else 0.0),
            (one.written / 1e6, stage.written / 1e6),
        ]
        for total, pair in zip(totals, pairs, strict=True):
            total[0], total[1] = total[0] + pair[0], total[1] + pair[1]
        tasks = f"{one.tasks[0]}, {one.tasks[1]}"
        agree = "same" if one.tasks == (stage.tasks, stage.partitions) else f"{stage.tasks}, {stage.partitions}"
        rows.append([one.stage, tasks, agree, *chain(*(_times(*pair) for pair in pairs))])
    rows.append(["in all", "", "", *chain(*(_times(*total) for total in totals))])
    heads = [
        "stage",
        "tasks, partitions",
        "planned",
        "CPU-s",
        "planned",
        "shuffled",
        "planned",
        "written",
        "planned",
    ]
    return table(heads, rows)


def _times(real: float, planned: float) -> tuple[object, object]:
    return (real, f"{planned / real:.2f}x") if real else ("", "")


if __name__ == "__main__":
    sys.exit(main())
