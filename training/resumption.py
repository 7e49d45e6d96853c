"""Which checkpoint a run goes on from: the last whole one, if it is of this run; what is damaged is passed over.

Damage and mistake are two things. A checkpoint whose bytes are not those written is passed over, aloud. One that
is whole, and of another corpus, model or past, ends the start: to pass over it would throw away what was trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from corpus.errors import IntegrityError, RecipeError
from corpus.window_order import WINDOW_ORDER_VERSION, Segment
from training.commit import FILE, Checkpoint, find_fault, list_folders, read_commit
from training.config import RunConfig
from training.peers import Peers

# What a model is beside the shapes of its tensors, and what says which tokens a step sees. All else may change
# from one start to the next: rates, dropout, clipping, precision of products, how long.
_SHAPE = ("layers", "heads", "width", "feed_forward", "vocabulary", "positions", "embedding_width", "normalise")
_ORDER = ("seed", "batch", "sequence")
_UNFINISHED = "was not finished"


def last_checkpoint(
    run_dir: str,
    say: Callable[[str], None],
    accept: Callable[[Checkpoint], None] = lambda checkpoint: None,
    peers: Peers | None = None,
) -> Checkpoint | None:
    """The last checkpoint of a run that is whole, every byte of it read; None where none was ever committed.

    Args:
        run_dir: Of the run.
        say: Is told of what is passed over, in one process.
        accept: Raises where a checkpoint is not one to go on from.
        peers: Who share the reading; all must call it.

    Raises:
        IntegrityError: There are commits, and no whole checkpoint.
        RecipeError: A checkpoint is of a newer format.
    """
    peers = peers or Peers()
    passed = 0
    (folders, *_) = peers.gather(list_folders(run_dir))  # one process's word: another may see them later
    for folder in folders:
        checkpoint, own = _look_at(folder, accept, peers)
        fault = next(filter(None, peers.gather(own)), "")
        if checkpoint is not None and not fault:
            return checkpoint
        passed += fault != _UNFINISHED
        if peers.rank == 0:
            say(f"passed over: checkpoint {folder.name} {fault}")
    if passed:
        raise IntegrityError(
            f"of {passed} checkpoints none is whole",
            where=run_dir,
            remedy="restore one from a copy, or name another --run-dir to begin anew",
        )
    return None


def _look_at(folder: Path, accept: Callable[[Checkpoint], None], peers: Peers) -> tuple[Checkpoint | None, str]:
    """What a folder holds, and what this process finds wrong with it."""
    if not (folder / FILE).exists():
        return None, _UNFINISHED
    try:
        checkpoint = read_commit(folder)
    except IntegrityError as error:
        return None, f"is damaged: {error.what}"
    accept(checkpoint)
    fault = find_fault(checkpoint, peers.rank, peers.count)
    return checkpoint, f"is damaged: {fault}" if fault else ""


def check_same_run(checkpoint: Checkpoint, config: RunConfig, corpus_digest: str) -> None:
    """Raises RecipeError where a run is not what the checkpoint's was until then."""
    commit = checkpoint.commit
    for what, remedy in _differences(commit.config, config, commit.step):
        raise RecipeError(what, where=str(checkpoint.folder), remedy=remedy)
    if commit.corpus_digest != corpus_digest:
        raise RecipeError(
            f"the checkpoint was trained on another corpus, sha256:{commit.corpus_digest}",
            where=str(checkpoint.folder),
            remedy="name the corpus that the run began with, or another --run-dir",
        )
    if commit.window_order != WINDOW_ORDER_VERSION:
        raise RecipeError(
            f"windows were drawn by rule {commit.window_order}, and this release draws by {WINDOW_ORDER_VERSION}",
            where=str(checkpoint.folder),
            remedy="go on with the release that wrote it",
        )


def _differences(before: RunConfig, now: RunConfig, step: int) -> Iterator[tuple[str, str]]:
    """(what, remedy) of each key that may not change and has."""
    anew = "set it back, or name another --run-dir to begin anew"
    keys = [("model." + key, getattr(before.model, key), getattr(now.model, key)) for key in _SHAPE]
    keys += [(key, getattr(before, key), getattr(now, key)) for key in _ORDER]
    for key, old, new in keys:
        if old != new:
            yield f"the run was trained with {key} = {old}, and the config says {new}", anew
    if _past(before, step) != _past(now, step):
        yield (
            f"the segments before update {step:,} are not those that the run was trained with",
            f"set them back; to go on from before update {step:,}, move the later checkpoints elsewhere",
        )


def _past(config: RunConfig, step: int) -> list[Segment]:
    """The segments that decided which batches the first updates saw."""
    return [each for each in config.segment if each.update < step]
