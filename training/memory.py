"""What a process of a run holds in its device's memory, part by part, before anything is allocated.

Counted from the code as it is: what each product saves for its gradient, what FSDP2 gathers, what the loss holds.

    D  channels of the residual stream   F  channels of the feed-forward
"""

from __future__ import annotations

from typing import Final

import msgspec

from training.config import ModelShape, RunConfig

# Of a device's memory the rest is its context's, the communication's, and lost between blocks.
USABLE: Final = 0.9  # unpublished: our choice

_LOSS_ROWS: Final = 1024  # training/loss.py's CHUNK, which may not be imported without torch
_BYTES: Final = {"bf16": 2, "fp32": 4, "fp64": 8}


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of one device.

    Attributes:
        parameters: Weights as they are kept: fp32 where products are bf16.
        gradients: The same.
        optimiser: Two moments.
        gathered: Weights in what is computed in, whole where FSDP2 or a cast makes them so.
        activations: What the layers of one micro-batch keep for their gradients.
        loss: A chunk of logits, and the gradient of the head.
    """

    parameters: int
    gradients: int
    optimiser: int
    gathered: int
    activations: int
    loss: int

    @property
    def total(self) -> int:
        """All of it, at its worst."""
        return sum(msgspec.structs.astuple(self))


def memory(config: RunConfig, devices: int) -> Memory:
    """What each device holds at most.

    Raises:
        RecipeError: The mesh has not as many places as there are devices.
    """
    mesh, shape = config.mesh, config.model
    replicate, shard, tp = mesh.sizes(devices)
    kept = _BYTES["fp64" if config.precision.compute == "fp64" else "fp32"]
    own = shape.parameters // (shard * tp)
    sequences = config.micro_batch or config.batch // (replicate * shard)
    gradients = own * kept
    if devices > 1 and not mesh.reshard:  # summed whole over micro-batches, then scattered
        gradients += shape.parameters // tp * kept
    return Memory(
        parameters=own * kept,
        gradients=gradients,
        optimiser=2 * own * kept,
        gathered=_gathered(config, devices, tp),
        activations=sequences * config.sequence * _activations(config, tp),
        loss=_loss(config, sequences, tp),
    )


def _gathered(config: RunConfig, devices: int, tp: int) -> int:
    shape, size = config.model, _BYTES[config.precision.compute]
    if devices == 1:  # nothing is gathered; what is cast stays for the gradients
        cast = 0 if size >= _BYTES["fp32"] else size
        return cast * (_layer(shape) if config.mesh.recompute else shape.parameters)
    if not config.mesh.reshard:
        return size * shape.parameters // tp
    ends = shape.parameters - shape.layers * _layer(shape)
    return size * (ends + 2 * _layer(shape)) // tp  # the root stays; a layer is computed, the next is on its way


def _layer(shape: ModelShape) -> int:
    d, f = shape.width, shape.feed_forward
    return 4 * (d * d + d) + 2 * d * f + f + d + 4 * d


def _activations(config: RunConfig, tp: int) -> int:
    """Bytes of all layers, a token.

    Both norms' inputs and outputs, queries, keys, values, what attention gives, and the ReLU's output, which is
    fc2's input too; dropout's masks are bytes. The kernels of a GPU keep no attention weights; eager attention
    keeps them. (Korthikanti et al., arXiv 2205.05198, section 4, counts 34 bytes of D where GeLU keeps its input.)
    """
    shape, size, split = config.model, _BYTES[config.precision.compute], tp
    whole = (
        1 if config.mesh.backend == "fairscale" else tp
    )  # between layers all of tp hold the same, or a part each
    residual = 4 * size * shape.width + (2 * shape.width if shape.dropout else 0)
    inner = 4 * size * shape.width + size * shape.feed_forward
    if shape.attention == "eager":
        weights = 2 * size + 1 if shape.attention_dropout else size
        inner += weights * shape.heads * config.sequence
    layer = residual // whole + inner // split
    if not config.mesh.recompute:
        return shape.layers * layer
    return layer + shape.layers * size * shape.width // whole


def _loss(config: RunConfig, sequences: int, tp: int) -> int:
    shape, size = config.model, _BYTES[config.precision.compute]
    wide = max(size, _BYTES["fp32"])
    rows, tokens = shape.vocabulary // tp, sequences * config.sequence
    narrow = shape.embedding_width or shape.width
    logits = min(_LOSS_ROWS, tokens) * rows * (size + (wide + size if wide > size else 0))
    return logits + rows * narrow * wide + tokens * narrow * size
