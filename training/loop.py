"""The step: micro-batches, accumulated; clipped; an update. All that it sees is a function of the updates done.

B  sequences of a micro-batch     T  positions, and one more in a window
"""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from corpus.errors import RunError
from corpus.order import derive_key
from corpus.window_order import WindowIds, WindowOrder
from training.config import RunConfig
from training.flops import flops_6nd, hardware_flops, model_flops, peak_flops
from training.initialise import initialise
from training.mesh import Mesh
from training.metrics import StepRecord
from training.model import Opt
from training.optimiser import Norm, build_optimiser, clip, predivision, set_rate
from training.parallel import MeshNorm, accumulate, build_parallel_model, guard, recompute_layers
from training.precision import dtypes
from training.replica import Replica, TensorPart
from training.residual_dropout import DropoutKeys
from training.schedule import learning_rate
from training.token_stream import TokenStream


@dataclass(frozen=True, eq=False)
class Trainer:
    """All that an update needs; what changes with updates is in the model and the optimiser alone.

    Attributes:
        config: Of the run.
        model: Its parameters on `device`.
        optimiser: Over all of them.
        order: Which windows a batch holds.
        stream: Their tokens.
        device: Where is computed.
        mesh: What the model is spread over; None where this process has it whole.
        replica: Which rows this process computes.
        tensor: Which part of them.
        total_norm: Of tensors that are as the parameters are.
        peak: FLOP/s of all devices together; None where nobody knows.
        recompute: Whether layers run forward twice.
        attempt: Which start of the run this is.
    """

    config: RunConfig
    model: Opt
    optimiser: torch.optim.Optimizer
    order: WindowOrder
    stream: TokenStream
    device: torch.device
    mesh: Mesh | None = None
    replica: Replica = field(default_factory=Replica)
    tensor: TensorPart = field(default_factory=TensorPart)
    total_norm: Norm = nn.utils.get_total_norm
    peak: float | None = None
    recompute: bool = False
    attempt: int = 1

    def to_device(self, tokens: NDArray[np.uint16]) -> Tensor:
        """int64[B, T], ids; they travel in 16 bits."""
        sent = torch.from_numpy(tokens.view(np.int16)).to(self.device, non_blocking=True)
        return sent.long() & 0xFFFF


def build_model(config: RunConfig, device: torch.device) -> Opt:
    """The model of a run with its initial values, whole, on one device."""
    model = Opt.on_meta(config.model, dtypes(config.precision))
    model.to_empty(device=device)
    initialise(model, config.model, config.seed)
    if config.mesh.recompute:
        recompute_layers(model)
    return model


def build_trainer(
    config: RunConfig, stream: TokenStream, device: torch.device, attempt: int = 1, mesh: Mesh | None = None
) -> Trainer:
    """A trainer of one process: the whole model on one device, or with a mesh, its part of it.

    Raises:
        RecipeError: The segments or the batch do not fit the corpus or the mesh.
    """
    order = WindowOrder(stream.windows, config.seed, config.batch, config.segment)
    (mesh.replica if mesh else Replica()).micro_batches(config.batch, config.micro_batch)
    model = build_parallel_model(config, mesh) if mesh else build_model(config, device)
    optimiser = build_optimiser(model.parameters(), config.optimisation)
    # Peaks are of half precision; what fp32 could reach nobody compares with.
    known = device.type == "cuda" and config.precision.compute == "bf16"
    peak = peak_flops(torch.cuda.get_device_name(device)) if known else None
    trainer = Trainer(
        config,
        model,
        optimiser,
        order,
        stream,
        device,
        peak=peak,
        recompute=config.mesh.recompute,
        attempt=attempt,
    )
    if mesh is None:
        return trainer
    guard(optimiser, mesh)
    return replace(
        trainer,
        mesh=mesh,
        replica=mesh.replica,
        tensor=mesh.tensor,
        total_norm=MeshNorm([name for name, _ in model.named_parameters()], mesh),
        peak=None if peak is None else peak * mesh.axes.size(),
    )


def train(trainer: Trainer, done: int = 0) -> Iterator[StepRecord]:
    """Updates the model until the run's end, and tells of each update when it is done.

    Between two updates the model, the optimiser and `record.step` are all the state there is: who takes a record
    may validate, save, or stop.

    Args:
        trainer: Its model and optimiser are as after `done` updates.
        done: Updates done.

    Raises:
        RunError: Loss or gradient are no longer finite.
    """
    parts = trainer.replica.micro_batches(trainer.config.batch, trainer.config.micro_batch)
    with ThreadPoolExecutor(1) as reader:  # what comes from a disk comes while the device computes
        coming = reader.submit(_read, trainer, done, parts)
        ended = time.perf_counter()
        for update in range(done, trainer.config.steps):
            ids, tokens = coming.result()
            if update + 1 < trainer.config.steps:
                coming = reader.submit(_read, trainer, update + 1, parts)
            values = _update(trainer, update, parts, tokens)
            now = time.perf_counter()
            yield _record(trainer, update, ids, values, now - ended)
            ended = time.perf_counter()


def _read(trainer: Trainer, update: int, parts: list[range]) -> tuple[WindowIds, NDArray[np.uint16]]:
    ids = trainer.order.batch(trainer.order.data_step(update))
    own = slice(parts[0].start, parts[-1].stop)
    return ids, trainer.stream.read(WindowIds(ids.source[own], ids.epoch[own], ids.window[own]))


@dataclass(frozen=True)
class _Values:
    loss: float
    rate: float
    gradient_norm: float
    parameter_norm: float


def _update(trainer: Trainer, update: int, parts: list[range], tokens: NDArray[np.uint16]) -> _Values:
    """One update of the model; nothing is updated where loss or gradient are not finite."""
    config, optimisation = trainer.config, trainer.config.optimisation
    before, after = predivision(optimisation.predivide, trainer.replica.count)
    own_tokens = config.tokens_per_update // trainer.replica.count
    # For fused attention dropout alone, which nothing else can key: an update draws the same whenever it is done.
    place = f"{trainer.replica.rank}/{trainer.tensor.rank}"
    torch.manual_seed(derive_key(config.seed, f"attention/{update}/{place}"))
    loss = torch.zeros((), dtype=torch.float64, device=trainer.device)
    for part in parts:
        if trainer.mesh:
            accumulate(trainer.model, trainer.mesh, last=part is parts[-1])
        token_BT = trainer.to_device(tokens[part.start - parts[0].start : part.stop - parts[0].start])
        summed = trainer.model(token_BT[:, :-1], token_BT[:, 1:], _keys(trainer, update, part))
        (summed * (before / own_tokens)).backward()
        loss += summed.detach()
    parameters = list(trainer.model.parameters())
    gradient_norm = clip(parameters, optimisation.clip, after, trainer.total_norm)
    mean, norm = float(trainer.replica.add(loss)) / config.tokens_per_update, float(gradient_norm)
    if not math.isfinite(mean) or not math.isfinite(norm):
        raise RunError(
            f"the loss is {mean} and the gradient's norm {norm}",
            where=f"update {update + 1:,}, data step {trainer.order.data_step(update):,}",
            remedy="go back to a checkpoint and pass over these batches, with a segment, or lower the rate",
        )
    rate = learning_rate(optimisation, (update + 1) * config.tokens_per_update)
    set_rate(trainer.optimiser, rate)
    trainer.optimiser.step()
    trainer.optimiser.zero_grad(set_to_none=True)
    with torch.no_grad():
        parameter_norm = trainer.total_norm(parameters)
    return _Values(mean, rate, norm, float(parameter_norm))


def _keys(trainer: Trainer, update: int, rows: range) -> DropoutKeys | None:
    shape = trainer.config.model
    if not shape.dropout and not shape.attention_dropout:
        return None
    sample_B = torch.arange(rows.start, rows.stop, device=trainer.device)
    position_T = torch.arange(trainer.config.sequence, device=trainer.device)
    keys = DropoutKeys.of(trainer.config.seed, update, shape.layers, sample_B, position_T)
    own = trainer.tensor.positions(trainer.config.sequence)
    return replace(
        keys,
        residual_NBT=keys.residual_NBT[:, :, own.start : own.stop],
        first_head=trainer.tensor.of(shape.heads).start,
    )


def _record(trainer: Trainer, update: int, ids: WindowIds, values: _Values, seconds: float) -> StepRecord:
    config, shape = trainer.config, trainer.config.model
    tokens = config.tokens_per_update
    model = model_flops(shape, tokens, config.sequence)
    hardware = hardware_flops(shape, tokens, config.sequence, trainer.recompute)
    budget = None if trainer.peak is None else trainer.peak * seconds
    return StepRecord(
        step=update + 1,
        data_step=trainer.order.data_step(update),
        attempt=trainer.attempt,
        loss=values.loss,
        learning_rate=values.rate,
        gradient_norm=values.gradient_norm,
        parameter_norm=values.parameter_norm,
        tokens=(update + 1) * tokens,
        seconds=seconds,
        tokens_per_second=tokens / seconds,
        model_flops=model,
        hardware_flops=hardware,
        flops_6nd=flops_6nd(shape, tokens),
        mfu=None if budget is None else model / budget,
        hfu=None if budget is None else hardware / budget,
        memory_bytes=_memory(trainer.device),
        windows=ids.digest(),
    )


def _memory(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    # ru_maxrss is in bytes on macOS and in KiB elsewhere: getrusage(2).
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
