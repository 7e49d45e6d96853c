"""Initial values, a function of (seed, parameter's name, position in it): any block can be filled alone.

A position's 64-bit hash gives four numbers of 16 bits; each picks one of 65,536 quantiles of the normal
distribution, and half the sum of the four is normal again. Hashes are whole numbers, and a sum of four is rounded
the same everywhere: so are the values, on any device and in any block, to the last bit.

Source: OPT, arXiv 2205.01068 section 2.2: normal with a deviation of .006, output projections by 1/sqrt(2L) of it,
biases 0. (metaseq sets the embedding of <pad> to 0, which no text holds; we do not.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod, sqrt
from statistics import NormalDist
from typing import Final

import torch
from torch import Tensor, nn

from corpus.order import derive_key
from training.config import ModelShape
from training.residual_dropout import GAMMA, mix, signed

INITIALISE_VERSION: Final = 1

DEVIATION: Final = 0.006
_OUTPUTS: Final = ("self_attn.out_proj.weight", "fc2.weight")

_LANES: Final = 4
_LEVELS: Final = 1 << 16
_CHUNK: Final = 1 << 22  # elements whose hashes are held at once: 32 MB

# Of a parameter by its name: what this process holds, where in the whole that begins, and the shape of the whole.
Block = Callable[[str, nn.Parameter], tuple[Tensor, tuple[int, ...], tuple[int, ...]]]


def whole(name: str, parameter: nn.Parameter) -> tuple[Tensor, tuple[int, ...], tuple[int, ...]]:
    """A parameter that this process holds whole."""
    return parameter.data, (0,) * parameter.dim(), tuple(parameter.shape)


def initialise(model: nn.Module, shape: ModelShape, seed: int, block: Block = whole) -> None:
    """Gives every parameter its initial values.

    Args:
        model: Its parameters have memory.
        shape: Of the model.
        seed: The run's.
        block: What this process holds of a parameter.
    """
    for name, parameter in model.named_parameters():
        local, origin, size = block(name, parameter)
        fill(local, origin, size, rule(name, shape), derive_key(seed, f"initial/{name}"))


def rule(name: str, shape: ModelShape) -> tuple[float, float]:
    """(mean, deviation) of a parameter's initial values, by its name."""
    if name.endswith(".bias"):
        return 0.0, 0.0
    if "layer_norm." in name:
        return 1.0, 0.0
    return 0.0, DEVIATION / sqrt(2 * shape.layers) if name.endswith(_OUTPUTS) else DEVIATION


def fill(
    local: Tensor, origin: Sequence[int], shape: Sequence[int], values: tuple[float, float], key: int
) -> None:
    """Fills a block of a parameter as it would be filled within the whole.

    Args:
        local: The block, contiguous; any number of dimensions.
        origin: Where in the whole it begins.
        shape: Of the whole.
        values: Mean and deviation.
        key: Of the parameter (`derive_key`).
    """
    mean, deviation = values
    if deviation == 0:
        local.fill_(mean)
        return
    flat, quantile = local.view(-1), _quantiles(local.device)
    for start in range(0, len(flat), _CHUNK):
        index = torch.arange(start, min(start + _CHUNK, len(flat)), device=local.device)
        position = torch.zeros_like(index)
        for dimension in range(len(shape)):
            inner = prod(local.shape[dimension + 1 :])
            along = index // inner % local.shape[dimension] + origin[dimension]
            position += along * prod(shape[dimension + 1 :])
        draws = mix(position * signed(GAMMA) + signed(key)).view(torch.int16).view(-1, _LANES)
        picked = quantile[draws.long() + _LEVELS // 2]
        # Added pair by pair and by name: a library's sum may take another order on another device.
        normal = ((picked[:, 0] + picked[:, 1]) + (picked[:, 2] + picked[:, 3])) * 0.5
        flat[start : start + _CHUNK] = (mean + deviation * normal).to(local.dtype)


@lru_cache(maxsize=4)
def _quantiles(device: torch.device) -> Tensor:
    """fp64[65,536], the normal distribution's quantiles at the middles of as many equal parts."""
    standard = NormalDist()
    return torch.tensor(
        [standard.inv_cdf((level + 0.5) / _LEVELS) for level in range(_LEVELS)], dtype=torch.float64, device=device
    )
