"""The command line that shows evaluations as one page: what was reached, on which data, by which prompts.

    python evaluation/report.py results/125m results/350m --out report.html

It is made of the folders of results alone; the same bytes for the same results.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a script: the packages lie one folder up
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from corpus.errors import StoreError, TokentrailError
from corpus.page import count, render
from evaluation import pictures
from evaluation.beside import FAMILIES, SUITE_AVERAGES, named, nearest
from evaluation.compare import differing
from evaluation.normalisation import NORMALISATIONS
from evaluation.pictures import MOST, Side, shots_in, sides_of, tasks_of
from evaluation.results import Results, ScoreEntry, read_results
from evaluation.table import decimal, ends, estimated, score_notes, shots_of

FILE = "report.html"
_TEMPLATES = Path(__file__).parent / "templates"


def report(results: Sequence[Results]) -> bytes:
    """The page.

    Args:
        results: At least one.
    """
    sides = sides_of(results)
    return render(
        _TEMPLATES,
        "results.html",
        {
            "sides": sides,
            "most": MOST,
            "tasks": tasks_of(sides),
            "shots": shots_in(sides),
            "strip": _strip(sides),
            "unlike": _unlike(sides),
            "score_pictures": [(shots_of(shots), pictures.scores(sides, shots)) for shots in shots_in(sides)],
            "score_legend": pictures.scores_legend(sides),
            "own_legend": pictures.own_legend(sides),
            "shot_charts": pictures.by_shots(sides),
            "size_charts": pictures.by_size(sides) if any(side.results.scores for side in sides) else [],
            "size_legend": pictures.size_legend(sides),
            "perplexities": pictures.perplexities(sides),
            "suite_averages": SUITE_AVERAGES,
            "families": FAMILIES,
            "normalisations": NORMALISATIONS,
            "rows": [[_row(side, one) for one in side.results.scores] for side in sides],
            "left_out": [*_left_out(sides)],
            "decimal": decimal,
            "ends": ends,
            "estimated": estimated,
            "shots_of": shots_of,
        },
    )


def _strip(sides: Sequence[Side]) -> list[tuple[str, str, str]]:
    """What is to be known at a glance: (class, number, words); of several evaluations, of the largest model."""
    last, cells = sides[-1], []
    whose = f", {last.name}" if len(sides) > 1 else ""
    for one in last.results.averages:
        if one.score is not None:
            words = f"average of the paper's tasks, {shots_of(one.shots)}{whose}"
            cells.append(("good", f"{decimal(one.score)}%", words))
    for source in last.results.perplexity[:1]:
        cells.append(("", estimated(source.per_token), f"perplexity per token on {source.source}{whose}"))
    entries = [(side.results.task(entry.task), entry) for side in sides for entry in side.results.scores]
    scores = [(float(task.chance), entry.score) for task, entry in entries if entry.score is not None]
    if scores:
        above = sum(float(score.low or 0) > chance for chance, score in scores)
        items = sum(entry.items for _, entry in entries)
        cells.append(
            ("", f"{above} of {len(scores)} scores", "lie above chance with the whole of their intervals")
        )
        cells.append(("", f"{count(items)} samples", f"of {len(tasks_of(sides))} tasks were scored"))
    skipped = sum(sum(entry.skipped.values()) for _, entry in entries)
    cells.append(
        ("bad" if skipped else "good", f"{count(skipped)} left out", "rows that are no items, or do not fit")
    )
    missing = {name for side in sides for name in side.results.missing}
    if missing:
        cells.append(
            ("bad", f"{len(missing)} {'set' if len(missing) == 1 else 'sets'} missing", ", ".join(sorted(missing)))
        )
    return cells


def _unlike(sides: Sequence[Side]) -> list[str]:
    """In what the evaluations differ from the first besides the model."""
    first = sides[0]
    return [f"{side.name}: {what}" for side in sides[1:] for what in differing(first.results, side.results)]


def _row(side: Side, entry: ScoreEntry) -> Mapping[str, Any]:
    task = side.results.task(entry.task)
    found = [nearest(task.published, name, side.results.checkpoint.parameters, entry.shots) for name in FAMILIES]
    return {
        "task": task,
        "entry": entry,
        "published": ["" if one is None else named(one, name) for name, one in zip(FAMILIES, found, strict=True)],
    }


def _left_out(sides: Sequence[Side]) -> list[tuple[str, str, str]]:
    """(evaluation, where, what) of everything that a score does not say of itself."""
    rows = []
    for side in sides:
        rows += [(side.name, name, f"its set is not there: {what}") for name, what in side.results.missing.items()]
        for source in side.results.perplexity:
            rows += [(side.name, source.source, f"{count(n)} {reason}") for reason, n in source.skipped.items()]
        for entry in side.results.scores:
            name = f"{side.results.task(entry.task).title}, {shots_of(entry.shots)}"
            rows += [(side.name, name, note) for note in score_notes(entry)]
    return rows


def _write(path: Path, page: bytes) -> Path:
    try:
        path.write_bytes(page)
    except OSError as error:
        raise StoreError(
            f"cannot write the report: {error.strerror}", where=str(path), remedy="name another file with --out"
        ) from error
    return path


def options() -> argparse.ArgumentParser:
    """The options of a report."""
    top = argparse.ArgumentParser(prog="report.py", description="Shows evaluations as one page.")
    top.add_argument("folders", nargs="+", type=Path, help="folders of results, for instance results/125m")
    top.add_argument("--out", type=Path, help="the page (default: report.html in the first folder)")
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit code: 0 done, 1 a check failed, 2 the user's mistake."""
    chosen = options().parse_args(argv)
    try:
        page = report([read_results(folder) for folder in chosen.folders])
        print(f"report {_write(chosen.out or chosen.folders[0] / FILE, page)}")
    except TokentrailError as error:
        if chosen.debug:
            raise
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
