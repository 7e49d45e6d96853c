"""One evaluation, from what is asked to what a person reads: samples, results, table and page."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from corpus.encoders import best_encoder, choose_encoder
from corpus.errors import RecipeError
from corpus.mapped_corpus import MappedCorpus
from evaluation import perplexity
from evaluation.options import CONTINUATION, PERPLEXITY, Questions
from evaluation.perplexity import Window, WindowSample
from evaluation.progress import Progress
from evaluation.prompts import Prompter
from evaluation.report import FILE as PAGE
from evaluation.report import report
from evaluation.results import CheckpointEntry, CorpusEntry, SettingsEntry, write_results
from evaluation.sample_log import FOLDER, SampleLog
from evaluation.scorer import Scorer
from evaluation.scoring import Evaluator
from evaluation.shots import Shots
from evaluation.table import summary
from evaluation.tally import ScoredSource, ScoredTask, Tally, results_of
from evaluation.task_set import TaskSet, of_corpus, read_sets
from evaluation.tasks.listed import FOURTEEN
from evaluation.undertaking import undertake
from evaluation.window_loss import Windows
from training.saved_model import SavedModel, open_model
from training.world import World

EVALUATOR_VERSION = 1  # of what decides a sample: raise it when the same model and data come to another
_SHOWN = 3  # unpublished: our choice; lines of a task that are named when they are skipped, the others are counted


def evaluate(asked: Questions, world: World) -> None:
    """Scores all that is asked, this process's part of it; the first process writes and says what came out.

    Raises:
        TokentrailError: Whatever stopped it.
    """
    sets, missing = read_sets(asked)
    corpus = MappedCorpus.open(asked.corpus) if asked.corpus else None
    if corpus is not None and asked.of_corpus:
        world.once_a_host(lambda: corpus.verify("full", "valid"))
    saved = _open(asked, corpus, world)
    settings = _settings(asked, saved)
    world.from_first(lambda: undertake(asked.out, _facts(asked, corpus, saved, settings)))
    if corpus is not None and CONTINUATION in asked.of_corpus:
        sets = [of_corpus(corpus, saved.vocabulary, settings.window, asked), *sets]
    for line in _warnings(sets, missing):
        world.say(line)
    evaluator = _evaluator(asked, saved, settings, world)
    sources = _held_out(asked, corpus, evaluator, settings)
    tasks = [_scored(evaluator, each, shots) for each in sets for shots in each.shots]
    if world.rank == 0:
        tally = Tally(
            checkpoint=CheckpointEntry(name=saved.name, digest=saved.digest, parameters=saved.parameters),
            settings=settings,
            corpus=CorpusEntry(ref=corpus.ref, digest=corpus.digest) if corpus else None,
            versions=_versions(asked),
            tasks=tasks,
            missing=missing,
            averaged=[task.name for task in FOURTEEN] if asked.tasks else (),
            sources=sources,
        )
        _tell(asked.out, tally)


def _open(asked: Questions, corpus: MappedCorpus | None, world: World) -> SavedModel:
    """The model, which must know the ids of the corpus."""
    device = asked.device
    if device == "auto":
        device = f"cuda:{world.local_rank}" if torch.cuda.is_available() else "cpu"
    saved = open_model(asked.checkpoint, asked.vocabulary, getattr(torch, asked.dtype), device, world.say)
    if corpus is not None and corpus.manifest.vocabulary["name"] != saved.vocabulary.name:
        raise RecipeError(
            f"the corpus has the ids of {corpus.manifest.vocabulary['name']}, "
            f"the model those of {saved.vocabulary.name}",
            where=asked.corpus,
            remedy="name the model's own corpus, or, for a run's checkpoint, its --vocabulary",
        )
    positions = saved.model.shape.positions
    if asked.window > positions or asked.stride > (asked.window or positions):
        raise RecipeError(
            f"the model takes {positions:,} tokens at once",
            where="--window and --stride",
            remedy="give a window up to that, and a stride up to the window",
        )
    return saved


def _settings(asked: Questions, saved: SavedModel) -> SettingsEntry:
    window = asked.window or saved.model.shape.positions
    return SettingsEntry(
        shots=tuple(shots.count for shots in asked.shots),
        preamble=asked.shots[0].preamble,
        begins_with=saved.vocabulary.end_of_document if asked.begins else None,
        window=window,
        stride=(asked.stride or window) if PERPLEXITY in asked.of_corpus else None,
        limit=asked.limit or None,
        seed=asked.shots[0].seed,
    )


def _facts(
    asked: Questions, corpus: MappedCorpus | None, saved: SavedModel, settings: SettingsEntry
) -> dict[str, object]:
    """What decides a sample and is not found in its prompt's digest."""
    facts = {"evaluator": EVALUATOR_VERSION, "checkpoint": saved.digest, "dtype": asked.dtype}
    facts |= {"chunk_tokens": asked.chunk_tokens, "window": settings.window, "stride": settings.stride}
    return facts | {"corpus": corpus.digest if corpus else None}


def _evaluator(asked: Questions, saved: SavedModel, settings: SettingsEntry, world: World) -> Evaluator:
    begin = () if settings.begins_with is None else (settings.begins_with,)
    return Evaluator(
        scorer=Scorer(saved.model, saved.vocabulary.size),
        prompter=Prompter(choose_encoder(best_encoder()), saved.vocabulary, settings.window, begin),
        out=asked.out,
        world=world,
        progress=Progress(world.rank == 0),
        chunk_tokens=asked.chunk_tokens,
    )


def _scored(evaluator: Evaluator, of: TaskSet, shots: Shots) -> ScoredTask:
    """Scores a task with one number of examples."""
    samples, too_long = evaluator.task(of.task, of.items, of.pool, shots)
    file = f"{FOLDER}/{of.task.name}-{shots.count}.jsonl"
    path = Path(evaluator.out, file)
    return ScoredTask(
        task=of.task,
        shots=shots.count,
        samples=samples,
        file=file,
        file_sha256=hashlib.sha256(path.read_bytes()).hexdigest() if evaluator.world.rank == 0 else "",
        files=of.files,
        skipped={**of.skipped, "too long": len(too_long)},
        leave_one_out=of.leave_one_out and shots.count > 0,
    )


def _held_out(
    asked: Questions, corpus: MappedCorpus | None, evaluator: Evaluator, settings: SettingsEntry
) -> list[ScoredSource]:
    """Scores the windows of every source."""
    if corpus is None or settings.stride is None:
        return []
    shards = perplexity.held_out(corpus)
    begin, stride = evaluator.prompter.vocabulary.end_of_document, settings.stride

    def work() -> Iterator[list[Window]]:
        several = max(1, asked.chunk_tokens // settings.window)
        for source, tokens in shards.items():
            windows = [*perplexity.windows(source, tokens, begin, settings.window, stride)][: asked.limit or None]
            for first in range(0, len(windows), several):
                yield windows[first : first + several]

    log = SampleLog(evaluator.out, PERPLEXITY, WindowSample, evaluator.world.rank)
    counts = [-(-sum(map(len, tokens)) // stride) for tokens in shards.values()]
    total = sum(min(count, asked.limit or count) for count in counts)
    found = evaluator.share(
        log,
        work(),
        lambda window: window.key,
        lambda chunk: perplexity.score_windows(evaluator.scorer, evaluator.prompter.vocabulary, chunk),
        total,
    )
    return [ScoredSource(source, _windows(source, found.values())) for source in shards]


def _windows(source: str, samples: Iterable[WindowSample]) -> Windows:
    own = [sample for sample in samples if sample.source == source]
    counts = (
        np.array([getattr(each, name) for each in own], np.int64) for name in ("tokens", "bytes", "gpt2_tokens")
    )
    return Windows(np.array([each.nll for each in own]), *counts)


def _warnings(sets: list[TaskSet], missing: dict[str, str]) -> Iterator[str]:
    """What is not scored, before anything is."""
    for line in missing.values():
        yield f"missing  {line}"
    for each in sets:
        for line in each.named[:_SHOWN]:
            yield f"skipped  {line}"
        if len(each.named) > _SHOWN:
            yield f"skipped  {each.task.name}: {len(each.named) - _SHOWN:,} more rows"


def _versions(asked: Questions) -> dict[str, str]:
    packages = ("torch", "tokenizers", "numpy")
    found = {package: importlib.metadata.version(package) for package in packages}
    return found | {"python": platform.python_version(), "evaluator": str(EVALUATOR_VERSION), "dtype": asked.dtype}


def _tell(out: str, tally: Tally) -> None:
    """Writes results and page, and prints the table."""
    results = results_of(tally)
    path = write_results(Path(out), results)
    print(summary(results), end="")
    page = Path(out, PAGE)
    page.write_bytes(report([results]))
    print(f"wrote {path}\nreport {page}", flush=True)
