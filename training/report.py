"""The command line that shows a run as one page: what was measured, on which data, by which command.

    python training/report.py runs/tiny --out report.html

It is made of the run's folder, and of the corpus where that can be found; the same bytes for the same metrics.
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from markupsafe import Markup

if __package__ in (None, ""):  # started as a script: the packages lie one folder up
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from corpus.errors import SourceError, StoreError, TokentrailError
from corpus.mapped_corpus import MappedCorpus
from corpus.marks import Curve, Panel, stacked
from corpus.page import render
from corpus.window_order import WindowOrder
from training.attempts import Attempt, read_attempts
from training.config import RunConfig
from training.metrics import StepRecord, read_metrics

FILE = "report.html"
_POINTS = 480  # unpublished: our choice; a point every second pixel, so that a page of any run is small
_TEMPLATES = Path(__file__).parent / "templates"


def report(run_dir: str, corpus: str = "") -> bytes:
    """The page.

    Args:
        run_dir: The folder of a run.
        corpus: The ref of its corpus, where that is not the one it was started with.

    Raises:
        SourceError: There is no run.
        IntegrityError: Its files do not read.
    """
    attempts, records = read_attempts(run_dir), read_metrics(run_dir)
    if not attempts:
        raise SourceError("there is no run here", where=run_dir, remedy="name the --run-dir of a run")
    last = attempts[-1]
    done = records[-1].step if records else 0
    return render(
        _TEMPLATES,
        "run.html",
        {
            "attempt": last,
            "config": last.config,
            "parameters": last.config.model.parameters,
            "done": done,
            "last": records[-1] if records else None,
            "pictures": _pictures(last.config, records),
            "validation": _validation(records),
            "work": _work(records, last),
            "data": _data(last, corpus, done),
            "attempts": [*_attempts(attempts, records)],
            "keys": _keys(last.config).items(),
            "command": shlex.join(map(str, last.host.get("command", []))),
        },
    )


def write_report(run_dir: str) -> Path:
    """Writes the page beside the metrics; gives its path.

    Raises:
        StoreError: It cannot be written.
    """
    return _write(Path(run_dir, FILE), report(run_dir))


def _write(path: Path, page: bytes) -> Path:
    try:
        path.write_bytes(page)
    except OSError as error:
        raise StoreError(
            f"cannot write the report: {error.strerror}", where=str(path), remedy="name another file with --out"
        ) from error
    return path


def _pictures(config: RunConfig, records: Sequence[StepRecord]) -> Mapping[str, Markup]:
    """Each with a line where an attempt began that went on with another's weights."""
    first_steps = {record.attempt: record.step for record in reversed(records)}
    begins = sorted(first_steps.values())[1:]
    clip = config.optimisation.clip

    def picture(says: str, *panels: Panel) -> Markup:
        return stacked(panels, "updates", f"{config.name}: {says} by updates", begins)

    def panel(name: str, value: Callable[[StepRecord], float | None], **kind: Any) -> Panel:
        line, band = _thinned(records, value)
        return Panel(name, [Curve(name, line)], band, **kind)

    held_out = [record for record in records if record.validation]
    sources = [*dict.fromkeys(source for record in held_out for source in record.validation)]
    losses = [
        Curve(source, [(each.step, each.validation[source]) for each in held_out if source in each.validation])
        for source in sources
    ]
    utilisation = [
        Curve(name, _thinned(records, value)[0])
        for name, value in (("MFU", _percent("mfu")), ("HFU", _percent("hfu")))
        if any(value(record) is not None for record in records)
    ]
    limit = None if not clip else (clip, f"clipped above {clip:g}")
    return {
        "loss": picture(
            "loss, loss on what was held out, and learning rate",
            panel("training loss, nats a token", lambda record: record.loss),
            Panel("validation loss by source, nats a token", losses, height=260),
            panel("learning rate", lambda record: record.learning_rate, height=110, from_zero=True, label=_short),
        ),
        "norms": picture(
            "norms",
            panel("norm of the gradient, before clipping", lambda record: record.gradient_norm, level=limit),
            panel("norm of the parameters", lambda record: record.parameter_norm, height=130),
        ),
        "speed": picture(
            "throughput and memory",
            panel("tokens a second, all devices", lambda record: record.tokens_per_second, from_zero=True),
            Panel("of the devices' peak, %", utilisation, from_zero=True),
            panel("memory, GB", lambda record: record.memory_bytes / 1e9, height=110, from_zero=True),
        ),
    }


def _percent(name: str) -> Callable[[StepRecord], float | None]:
    def value(record: StepRecord) -> float | None:
        share: float | None = getattr(record, name)
        return None if share is None else 100 * share

    return value


def _short(value: float) -> str:
    return f"{value:.1e}".replace("e-0", "e-") if value else "0"


def _thinned(
    records: Sequence[StepRecord], value: Callable[[StepRecord], float | None]
) -> tuple[list[tuple[float, float]], list[tuple[float, float, float]]]:
    """Means of neighbouring updates, and beside them the least and the greatest; of few updates, each."""
    known = [(record.step, found) for record in records if (found := value(record)) is not None]
    size = math.ceil(len(known) / _POINTS) or 1
    groups = [known[start : start + size] for start in range(0, len(known), size)]
    line = [(_mean(step for step, _ in group), _mean(found for _, found in group)) for group in groups]
    if size == 1:
        return line, []
    band = [
        (at, min(found for _, found in group), max(found for _, found in group))
        for (at, _), group in zip(line, groups, strict=True)
    ]
    return line, band


def _mean(values: Iterator[float]) -> float:
    found = [*values]
    return math.fsum(found) / len(found)


def _validation(records: Sequence[StepRecord]) -> list[tuple[str, float, float, float]]:
    """(source, loss when first looked, loss when last looked, perplexity then)."""
    held_out = [record.validation for record in records if record.validation]
    last = held_out[-1] if held_out else {}
    return [(source, held_out[0].get(source, loss), loss, math.exp(loss)) for source, loss in last.items()]


def _work(records: Sequence[StepRecord], last: Attempt) -> Mapping[str, Any]:
    seconds = math.fsum(record.seconds for record in records)
    devices = math.prod(last.host["mesh"])
    tokens = len(records) * last.config.tokens_per_update
    return {
        "model": sum(record.model_flops for record in records),
        "hardware": sum(record.hardware_flops for record in records),
        "rule": sum(record.flops_6nd for record in records),
        "hours": seconds / 3600,
        "devices": devices,
        "device_hours": seconds * devices / 3600,
        "rate": tokens / seconds if seconds else 0.0,
    }


def _data(last: Attempt, corpus: str, done: int) -> Mapping[str, Any]:
    """Windows and epochs by source, where the corpus can be found."""
    config, ref = last.config, corpus or last.corpus
    try:
        found = MappedCorpus.open(ref)
    except TokentrailError as error:
        return {"ref": ref, "missing": error.what, "rows": [], "name": ""}
    if found.digest != last.corpus_digest:
        return {"ref": ref, "missing": f"another corpus is there, sha256:{found.digest}", "rows": [], "name": ""}
    tokens: dict[str, int] = {}
    for shard in found.manifest.shards:
        if shard.split == "train":
            tokens[shard.source] = tokens.get(shard.source, 0) + shard.tokens
    windows = {source: count // (config.sequence + 1) for source, count in tokens.items()}
    order = WindowOrder(windows, config.seed, config.batch, config.segment)
    drawn = order.drawn(order.data_step(done - 1) + 1 if done else 0)
    rows = [
        (source, tokens[source], windows[source], drawn[source], drawn[source] / max(1, windows[source]))
        for source in windows
    ]
    name = f"{found.manifest.name}@{found.manifest.version}"
    return {"ref": ref, "missing": "", "rows": rows, "name": name}


def _attempts(attempts: Sequence[Attempt], records: Sequence[StepRecord]) -> Iterator[Mapping[str, Any]]:
    """Each start: which updates of the model are its, where it ran, which keys it changed."""
    before: Mapping[str, str] = {}
    for attempt in attempts:
        keys, host = _keys(attempt.config), attempt.host
        steps = [record.step for record in records if record.attempt == attempt.number]
        changed = [f"{key}: {before.get(key, 'none')} → {value}" for key, value in keys.items()]
        yield {
            "number": attempt.number,
            "started": f"{datetime.fromtimestamp(host.get('started', 0), UTC):%Y-%m-%d %H:%M:%S} UTC",
            "steps": f"{steps[0]:,} to {steps[-1]:,}" if steps else "none that stands",
            "host": host,
            "changed": [
                line for line, key in zip(changed, keys, strict=True) if before and before.get(key) != keys[key]
            ],
        }
        before = keys


def _keys(config: RunConfig) -> dict[str, str]:
    """Every key of a run and its value, dots between: what `--set` takes."""

    def flat(prefix: str, value: object) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                yield from flat(f"{prefix}.{key}" if prefix else key, inner)
        else:
            yield prefix, msgspec.json.encode(value).decode()

    return dict(flat("", msgspec.to_builtins(config)))


def options() -> argparse.ArgumentParser:
    """The options of a report."""
    top = argparse.ArgumentParser(prog="report.py", description="Shows a run as one page.")
    top.add_argument("run_dir", help="the folder of a run, for instance runs/tiny")
    top.add_argument("--out", help="the page (default: report.html in the folder)")
    top.add_argument("--corpus", default="", help="its corpus, where that lies elsewhere now")
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit code: 0 done, 1 a check failed, 2 the user's mistake."""
    chosen = options().parse_args(argv)
    try:
        path = Path(chosen.out) if chosen.out else Path(chosen.run_dir, FILE)
        print(f"report {_write(path, report(chosen.run_dir, chosen.corpus))}")
    except TokentrailError as error:
        if chosen.debug:
            raise
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
