"""Saving and loading: weights and moments through torch.distributed.checkpoint, sharded or not, and our commit.

What an optimiser is told by the config (rates, decays, betas) is neither saved nor loaded. Weights and moments are
known by the canonical names and shapes of the whole model, so any topology reads what any other wrote. What is not
in that form, a tensor that is one rank's part and does not say so, is refused: DCP would take it for the whole.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from corpus.errors import RecipeError, RunError, StoreError, TokentrailError
from corpus.window_order import WINDOW_ORDER_VERSION
from training.commit import FOLDER, Checkpoint, Commit, FileEntry, TensorEntry, folder_name, publish_commit
from training.config import ModelShape
from training.hashing_writer import HashingWriter
from training.model import Opt
from training.peers import Peers, all_peers
from training.retention import hold, prune, remove_torn

if TYPE_CHECKING:
    from training.loop import Trainer


def _as_it_is(name: str, tensor: Tensor) -> Tensor:
    return tensor


@dataclass(frozen=True, eq=False)
class State:
    """All that changes with updates.

    Attributes:
        model: Its parameters are whole, or DTensors.
        optimiser: Over them; None where only weights are loaded.
        canonical: A parameter's name and what this process holds of it or of one of its moments -> the same
            memory as what it is of the whole, a DTensor: for layers that split themselves and do not say so.
    """

    model: nn.Module
    optimiser: torch.optim.Optimizer | None = None
    canonical: Callable[[str, Tensor], Tensor] = _as_it_is

    def tensors(self) -> dict[str, Tensor]:
        """Canonical name -> tensor, in the memory of model and optimiser."""
        found = {f"model.{name}": self.canonical(name, each) for name, each in self._weights().items()}
        for name, moments in self._moments().get("state", {}).items():
            for kind, each in moments.items():
                tensor = self.canonical(name, each) if each.dim() else each
                found[f"optimiser.{name}.{kind}"] = tensor
        return found

    def accept(self) -> None:
        """Gives model and optimiser what now stands in the memory of `tensors`; hyperparameters stay."""
        set_model_state_dict(self.model, self._weights())
        if self.optimiser is not None:
            set_optimizer_state_dict(self.model, self.optimiser, self._moments())

    def _weights(self) -> dict[str, Tensor]:
        return dict(get_model_state_dict(self.model))

    def _moments(self) -> dict[str, Any]:
        """By the names of parameters. Where there are none yet torch makes them, by a step that moves nothing but
        its own count: before the first update only who loads may ask.
        """
        if self.optimiser is None:
            return {}
        return dict(get_optimizer_state_dict(self.model, self.optimiser))


def entries(tensors: Mapping[str, Tensor]) -> dict[str, TensorEntry]:
    """What a commit says of tensors."""
    return {
        name: TensorEntry(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
        for name, tensor in tensors.items()
    }


class Saver:
    """Saves a run while it goes on: a snapshot is taken, and written by another thread.

    Args:
        run_dir: Of the run; held until `close`.
        trainer: Of the run.
        state: Of the trainer's model and optimiser.
        corpus_digest: What is trained on.
        done: Updates done when this start began.
        mesh: Axis -> size, where there is one.

    Raises:
        RunError: The state is not that of the whole model.
        StoreError: Another process trains in the folder, or it cannot be written.
    """

    def __init__(
        self,
        run_dir: str,
        trainer: Trainer,
        state: State,
        corpus_digest: str,
        done: int,
        mesh: Mapping[str, int] | None = None,
    ) -> None:
        self._run_dir, self._trainer, self._state = run_dir, trainer, state
        self._corpus_digest, self._done, self._mesh = corpus_digest, done, dict(mesh or {})
        _check_whole(entries(replace(state, optimiser=None).tensors()), trainer.config.model)
        self._peers = all_peers()
        self._pending: Future[Any] | None = None
        self._folder, self.step = Path(), 0
        self._held = hold(run_dir) if self._peers.rank == 0 else None
        if self._held is not None:
            remove_torn(run_dir)

    @property
    def failed(self) -> bool:
        """Whether the save under way is known to have failed: `wait` says how."""
        pending = self._pending
        return pending is not None and pending.done() and pending.exception() is not None

    def save(self, step: int) -> None:
        """Begins to save what model and optimiser are after so many updates; all processes must.

        It waits for the save before, and until the snapshot is taken.

        Raises:
            TokentrailError: The save before failed.
        """
        self.wait()
        tensors = self._state.tensors()
        self._folder = Path(self._run_dir, FOLDER, folder_name(step, self._trainer.attempt))
        self.step = step
        known = entries(tensors)
        _check_whole(known, self._trainer.config.model)
        writer = HashingWriter(self._folder, lambda files: self._commit(step, known, files))
        _let_torch_be_quiet()
        self._pending = dcp.async_save(tensors, storage_writer=writer, process_group=self._peers.group)

    def wait(self) -> None:
        """Until the save under way is committed.

        Raises:
            StoreError: The disk is full or cannot be written.
            TokentrailError: It failed otherwise.
        """
        pending, self._pending = self._pending, None
        if pending is None:
            return
        try:
            pending.result()
        except dcp.CheckpointException as failure:
            if self._peers.rank == 0:
                remove_torn(self._run_dir)
            raise _explained(failure, self._folder) from failure

    def _commit(self, step: int, known: dict[str, TensorEntry], files: dict[str, FileEntry]) -> None:
        """The second phase, in the coordinator alone."""
        trainer, config = self._trainer, self._trainer.config
        commit = Commit(
            step=step,
            attempt=trainer.attempt,
            data_step=trainer.order.data_step(step),
            tokens=step * config.tokens_per_update,
            window_order=WINDOW_ORDER_VERSION,
            world_size=self._peers.count,
            mesh=self._mesh,
            corpus_digest=self._corpus_digest,
            config=config,
            tensors=known,
            files=files,
        )
        publish_commit(self._folder, commit)
        prune(self._run_dir, (trainer.attempt, self._done), config.checkpoint)

    def close(self) -> None:
        """Waits for what is under way, whatever comes of it, and lets the folder go."""
        if self._pending is not None:
            self._pending.exception()
        if self._held is not None:
            self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def load(checkpoint: Checkpoint, state: State, peers: Peers | None = None) -> None:
    """Loads a checkpoint whose files were found whole (training/resumption.py); all processes must.

    Raises:
        RecipeError: It does not hold just the tensors that are asked for.
    """
    tensors = state.tensors()
    wanted, known = entries(tensors), checkpoint.commit.tensors
    if state.optimiser is None:
        known = {name: entry for name, entry in known.items() if name.startswith("model.")}
    for name in sorted({*wanted, *known}):
        if wanted.get(name) != known.get(name):
            raise RecipeError(
                f"the checkpoint is another model's: {name} is {_said(known.get(name))} in it, "
                f"and {_said(wanted.get(name))} here",
                where=str(checkpoint.folder),
                remedy="go on with the model and precision that it was made with, or name another --run-dir",
            )
    _let_torch_be_quiet()
    reader = dcp.FileSystemReader(checkpoint.folder)
    dcp.load(tensors, storage_reader=reader, process_group=None if peers is None else peers.group)
    state.accept()


def _said(entry: TensorEntry | None) -> str:
    return "not" if entry is None else f"{entry.dtype}{list(entry.shape)}"


def _check_whole(found: Mapping[str, TensorEntry], shape: ModelShape) -> None:
    """Raises RunError where a weight, or a moment of one, has not the shape that it has in the whole model."""
    with torch.device("meta"):
        whole = {name: tuple(each.shape) for name, each in Opt(shape).named_parameters()}
    own = {name.removeprefix("model."): entry.shape for name, entry in found.items() if name.startswith("model.")}
    pairs = [(name, own.get(name), whole.get(name)) for name in {*own, *whole}]
    for name, entry in found.items():
        if name.startswith("optimiser.") and entry.shape:  # the count of updates is a scalar
            weight = name.removeprefix("optimiser.").rpartition(".")[0]
            pairs.append((name, entry.shape, whole.get(weight)))
    for name, here, there in sorted(pairs):
        if here != there:
            raise RunError(
                f"this is a part of the model and not the whole: {name} is {here}, not {there}",
                where="a save",
                remedy="give `State` a `canonical` that says which part each process holds",
            )


def _explained(failure: dcp.CheckpointException, folder: Path) -> TokentrailError:
    """The first cause, in three lines."""
    cause = next(error for error, _ in failure.failures.values())
    if isinstance(cause, TokentrailError) and not isinstance(cause, StoreError):
        return cause
    what = os.strerror(cause.errno or 0) if isinstance(cause, OSError) else str(getattr(cause, "what", cause))
    return StoreError(
        f"cannot write the checkpoint: {what}",
        where=str(folder),
        remedy="free some space, then start the same command again: it goes on from the last whole checkpoint",
    )


def _let_torch_be_quiet() -> None:
    """A process alone is meant to be alone; said in another thread, so no context manager would reach it."""
    warnings.filterwarnings("ignore", message="torch.distributed is disabled, unavailable or uninitialized")
