"""A model spread over a mesh, from outside: tensor parallelism by a plan, then FSDP2; the model knows neither.

The plan is data, and both backends read it. Between layers the dtensor backend keeps of each row some positions
(sequence parallelism); inside them, some heads and channels; at either end, some ids of the vocabulary.

Source: Megatron-LM, arXiv 1909.08053 section 3 (columns, then rows); arXiv 2205.05198 section 4.2.2 (positions).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from enum import Enum
from fnmatch import fnmatch
from functools import partial
from math import ceil
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_module
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    ParallelStyle,
    PrepareModuleInput,
    RowwiseParallel,
    SequenceParallel,
    parallelize_module,
)
from torch.utils.checkpoint import checkpoint

from corpus.errors import RunError
from training.config import ModelShape, RunConfig
from training.initialise import initialise
from training.loss import VocabularyPart, cross_entropy
from training.mesh import Mesh
from training.model import Opt
from training.precision import dtypes


class Style(Enum):
    """How the processes along the tensor axis share a module."""

    COLUMNS = "each has some outputs"
    OUTER_COLUMNS = "the same, and every output is gathered: a layer of the residual stream's width on its own"
    ROWS = "each has some inputs, and outputs are summed"
    VOCABULARY = "each has some ids"
    POSITIONS = "each looks up its own positions"
    NORM = "each has some positions, and all weights"
    ATTENTION = "positions are gathered, once for three columns"


# The first pattern that a module's name matches says its style; a module that none matches has no part in it.
PLAN: Final = (
    ("*.embed_tokens", Style.VOCABULARY),
    ("*.embed_positions", Style.POSITIONS),
    ("*.project_in", Style.OUTER_COLUMNS),
    ("*.project_out", Style.OUTER_COLUMNS),
    ("*_layer_norm", Style.NORM),
    ("*.self_attn", Style.ATTENTION),
    ("*.self_attn.[qkv]_proj", Style.COLUMNS),
    ("*.self_attn.out_proj", Style.ROWS),
    ("*.fc1", Style.COLUMNS),
    ("*.fc2", Style.ROWS),
)

# Parameter -> the dimension that is split along the tensor axis; what is not here is whole on each process.
_SPLITS: Final = {
    Style.COLUMNS: {"weight": 0, "bias": 0},
    Style.OUTER_COLUMNS: {"weight": 0},
    Style.ROWS: {"weight": 1},
    Style.VOCABULARY: {"weight": 0},
}


def style_of(module: str) -> Style | None:
    """A module's style, by its name."""
    return next((style for pattern, style in PLAN if fnmatch(module, pattern)), None)


def split_dimension(parameter: str) -> int | None:
    """The dimension in which a parameter is split along the tensor axis, by its name."""
    module, _, kind = parameter.rpartition(".")
    style = style_of(module)
    return None if style is None else _SPLITS.get(style, {}).get(kind)


def build_parallel_model(config: RunConfig, mesh: Mesh) -> Opt:
    """The model of a run with its initial values, each process holding its own part; collective."""
    model = spread(config, mesh)
    model.to_empty(device=mesh.device)
    whole = Opt.on_meta(config.model, dtypes(config.precision))
    shapes = {name: tuple(parameter.shape) for name, parameter in whole.named_parameters()}
    initialise(model, config.model, config.seed, partial(own_block, mesh, shapes))
    return model


def spread(config: RunConfig, mesh: Mesh) -> Opt:
    """The same without memory.

    Raises:
        RunError: A parameter was renamed, lost or doubled on the way, for instance an embedding that was tied.
    """
    model = Opt.on_meta(config.model, dtypes(config.precision))
    names = [name for name, _ in model.named_parameters()]
    if mesh.size("tp") > 1:
        if config.mesh.backend == "fairscale":
            from training.fairscale_layers import replace_layers

            replace_layers(model, mesh, style_of)
        else:
            _distribute(model, mesh)
    if config.mesh.recompute:
        recompute_layers(model)
    _shard(model, config, mesh)
    if [name for name, _ in model.named_parameters()] != names:
        raise RunError(
            "the parallel model has other parameters than the model",
            where=f"mesh.backend = {config.mesh.backend}",
            remedy="train without mesh.tp, and report it: the embedding is tied no longer, or a name has changed",
        )
    return model


def _distribute(model: Opt, mesh: Mesh) -> None:
    tensor = mesh.axes["tp"]
    styles = {name: style_of(name) for name, _ in model.named_modules()}
    parallelize_module(model, tensor, {name: _STYLES[style]() for name, style in styles.items() if style})

    def gather(hidden_BTE: Tensor) -> Tensor:
        parts = DTensor.from_local(hidden_BTE, tensor, [Shard(1)], run_check=False)
        # Each process finds the gradient that comes through its ids: their sum is the gradient.
        whole: Tensor = parts.redistribute(placements=[Replicate()]).to_local(grad_placements=[Partial()])
        return whole

    model.head = VocabularyParallelHead(mesh, model.shape, gather)


class _LocalPositions(ParallelStyle):
    """An embedding whose table all have, and of whose ids each looks up some."""

    def _apply(self, module: nn.Module, device_mesh: object) -> nn.Module:
        def split(module: nn.Module, inputs: tuple[Tensor], mesh: object) -> Tensor:
            whole = DTensor.from_local(inputs[0], mesh, [Replicate()], run_check=False)
            part: Tensor = whole.redistribute(placements=[Shard(0)])
            return part

        def local(module: nn.Module, output: DTensor, mesh: object) -> Tensor:
            part: Tensor = output.to_local()
            return part

        done: nn.Module = distribute_module(module, device_mesh, None, split, local)
        return done


_STYLES: Final[dict[Style, Callable[[], ParallelStyle]]] = {
    Style.COLUMNS: lambda: ColwiseParallel(input_layouts=Shard(1)),
    Style.OUTER_COLUMNS: lambda: ColwiseParallel(input_layouts=Shard(1), output_layouts=Shard(1)),
    Style.ROWS: lambda: RowwiseParallel(output_layouts=Shard(1)),
    Style.VOCABULARY: lambda: RowwiseParallel(input_layouts=Replicate(), output_layouts=Shard(1)),
    Style.POSITIONS: _LocalPositions,
    Style.NORM: lambda: SequenceParallel(use_local_output=True),
    Style.ATTENTION: lambda: PrepareModuleInput(
        input_layouts=(Shard(1), None, None), desired_input_layouts=(Replicate(), None, None)
    ),
}


class VocabularyParallelHead(nn.Module):
    """The head where each process has some ids of the vocabulary.

    Args:
        mesh: Of the run.
        shape: Of the model.
        gather: What a process holds of the hidden states -> all of them; backward, gradients are summed.
    """

    def __init__(self, mesh: Mesh, shape: ModelShape, gather: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._axis, self._gather = mesh.axes["tp"], gather
        self._part = VocabularyPart(mesh.tensor.of(shape.vocabulary).start, self._axis.get_group())

    def forward(self, hidden_BTE: Tensor, weight_VE: Tensor, target_BT: Tensor | None) -> Tensor:
        """The loss, the same on each process; without targets the logits, whole on each."""
        hidden_BTE = self._gather(hidden_BTE)
        own_VE = weight_VE.to_local() if isinstance(weight_VE, DTensor) else weight_VE
        if target_BT is None:
            own_BTV = nn.functional.linear(hidden_BTE, own_VE.to(hidden_BTE.dtype))
            logits: Tensor = DTensor.from_local(own_BTV, self._axis, [Shard(2)], run_check=False).full_tensor()
            return logits
        return cross_entropy(hidden_BTE.flatten(0, 1), own_VE, target_BT.flatten(), part=self._part)


def recompute_layers(model: Opt) -> None:
    """Has backward compute each layer again from its input: activation checkpointing."""
    shape = model.shape
    # Keyed dropout draws the same again by itself; only what is drawn inside a kernel needs the generator's state.
    drawn = shape.attention == "fused" and shape.attention_dropout > 0
    for layer in model.model.decoder.layers:
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False, preserve_rng_state=drawn)


def _shard(model: Opt, config: RunConfig, mesh: Mesh) -> None:
    kinds = dtypes(config.precision)
    policy = MixedPrecisionPolicy(param_dtype=kinds.compute, reduce_dtype=kinds.reduce)
    for layer in model.model.decoder.layers:
        fully_shard(layer, mesh=mesh.data, mp_policy=policy, reshard_after_forward=config.mesh.reshard)
    # A layer that ends in a norm gives a view of what its processes share; nobody writes into it.
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view")
    # The root has what is needed first and last: nothing is gained by letting go of it between.
    fully_shard(model, mesh=mesh.data, mp_policy=policy, reshard_after_forward=False)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            # Summed: `predivision` says by what gradients are divided, and when.
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)


def accumulate(model: Any, mesh: Mesh, last: bool) -> None:
    """Says, before a micro-batch, whether it is the last of an update: until then less needs to be told."""
    if not mesh.config.reshard:
        model.set_requires_gradient_sync(last)
        model.set_reshard_after_backward(last)
    elif mesh.size("replicate") > 1:
        model.set_requires_all_reduce(last)


def guard(optimiser: torch.optim.Optimizer, mesh: Mesh) -> None:
    """Has an optimiser of fairscale's parameters refuse to tell its state, as their model does."""
    if mesh.config.backend == "fairscale" and mesh.size("tp") > 1:
        from training.fairscale_layers import refuse

        optimiser.register_state_dict_pre_hook(refuse)


def let_go(model: nn.Module) -> None:
    """Lets go of gathered weights: a forward pass without a backward one leaves some of them gathered."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def own_block(
    mesh: Mesh, shapes: dict[str, tuple[int, ...]], name: str, parameter: DTensor
) -> tuple[Tensor, tuple[int, ...], tuple[int, ...]]:
    """What this process holds of a parameter, where in the whole that begins, and the shape of the whole.

    Args:
        mesh: Of the run.
        shapes: Of the whole parameters: one of fairscale's knows its own part only.
    """
    origin, size = [0] * len(shapes[name]), list(shapes[name])
    dimension = split_dimension(name)
    if dimension is not None:
        own = mesh.tensor.of(size[dimension])
        origin[dimension], size[dimension] = own.start, len(own)
    # FSDP2 splits the first dimension of that as torch.chunk would: the last may have fewer rows, or none.
    origin[0] += mesh.axes.get_local_rank("shard") * ceil(size[0] / mesh.size("shard"))
    return parameter.detach().to_local(), tuple(origin), shapes[name]


class MeshNorm:
    """The L2 norm of all gradients, or parameters, from what each process holds of them.

    Args:
        names: Of the parameters, in the order in which tensors come.
        mesh: Of the run.
    """

    def __init__(self, names: Iterable[str], mesh: Mesh) -> None:
        self._mesh = mesh
        self._split = [split_dimension(name) is not None for name in names]

    def __call__(self, tensors: list[Tensor]) -> Tensor:
        """The norm, the same on each process."""
        local = [tensor.to_local() for tensor in tensors]
        split = [part for part, apart in zip(local, self._split, strict=True) if apart]
        whole = [part for part, apart in zip(local, self._split, strict=True) if not apart]
        # What is whole along the tensor axis would be counted there as often as it is held.
        squares = nn.utils.get_total_norm(split) ** 2 + nn.utils.get_total_norm(whole) ** 2 / self._mesh.size("tp")
        return self._mesh.add(squares, "shard", "tp").sqrt()
