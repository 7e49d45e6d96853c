"""Dropout whose mask is a hash of where an element stands, so that no topology, order or recomputation changes it.

Key: (seed, update, layer, site, sample, position, channel). The sample is the row in the global batch; a process
that holds some rows, or some positions of them, draws the same mask for these as one that holds them all. One
64-bit hash serves four neighbouring channels, 16 bits each: a chance is exact to 1/65,536, and what is kept is
scaled by exactly what is expected to be lost. The same on every device: the arithmetic is on whole numbers.

    N  the sites of all layers     B  samples     T  positions     D  channels
    H  heads                       S  positions attended to
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from corpus.order import derive_key

# The sites of a layer.
AFTER_ATTENTION: Final = 0
AFTER_FEED_FORWARD: Final = 1
ON_ATTENTION: Final = 2
_SITES: Final = 3

_LANES: Final = 4  # 16-bit draws of a hash
_LEVELS: Final = 1 << 16

# splitmix64, as corpus/order.py has it; see there for its source.
GAMMA: Final = 0x9E3779B97F4A7C15


def signed(number: int) -> int:
    """The same 64 bits as torch's whole numbers have them, with a sign."""
    return number - (1 << 64) if number >> 63 else number


_MULTIPLIER_1: Final = signed(0xBF58476D1CE4E5B9)
_MULTIPLIER_2: Final = signed(0x94D049BB133111EB)


def mix(state: Tensor) -> Tensor:
    """int64[...], splitmix64's finaliser; `>>` carries the sign along, so what it brings in is masked away."""
    mixed = state ^ ((state >> 30) & ((1 << 34) - 1))
    mixed *= _MULTIPLIER_1
    mixed ^= (mixed >> 27) & ((1 << 37) - 1)
    mixed *= _MULTIPLIER_2
    mixed ^= (mixed >> 31) & ((1 << 33) - 1)
    return mixed


@dataclass(frozen=True, eq=False)
class DropoutKeys:
    """What a forward pass needs to draw its masks.

    Attributes:
        residual_NBT: int64, a key for every row of channels that dropout is applied to.
        attention_NBT: The same over all positions: equal to it but under sequence parallelism.
        first_head: The first head that this process computes, under tensor parallelism.
    """

    residual_NBT: Tensor
    attention_NBT: Tensor
    first_head: int = 0

    @classmethod
    def of(cls, seed: int, update: int, layers: int, sample_B: Tensor, position_T: Tensor) -> DropoutKeys:
        """The keys of an update, for the rows of the global batch and the positions that this process holds."""
        site_N = torch.arange(layers * _SITES, device=sample_B.device)
        key_N = mix(site_N + signed(derive_key(seed, f"dropout/{update}")))
        key_NBT = mix(mix(key_N[:, None] + sample_B)[:, :, None] + position_T)
        return cls(key_NBT, key_NBT)


def _kept(row_key: Tensor, columns: int, chance: float) -> tuple[Tensor, float]:
    """bool[..., columns], what stays of each row, and by what it is to be scaled."""
    lost = round(chance * _LEVELS)
    groups = -(-columns // _LANES)
    column_key = mix(torch.arange(1, groups + 1, device=row_key.device))
    draws = mix(row_key[..., None] ^ column_key).view(torch.int16)[..., :columns]
    return draws >= lost - _LEVELS // 2, _LEVELS / (_LEVELS - lost)


def residual_dropout(x_BTD: Tensor, keys: DropoutKeys | None, layer: int, site: int, chance: float) -> Tensor:
    """What a sublayer adds to the residual stream, some of it zero and the rest scaled; without keys, as it is."""
    if keys is None or chance == 0:
        return x_BTD
    kept_BTD, scale = _kept(keys.residual_NBT[layer * _SITES + site], x_BTD.shape[-1], chance)
    return x_BTD * kept_BTD * scale


def attention_dropout(weights_BHTS: Tensor, keys: DropoutKeys | None, layer: int, chance: float) -> Tensor:
    """Attention weights, some of them zero and the rest scaled; without keys, as they are."""
    if keys is None or chance == 0:
        return weights_BHTS
    row_BT = keys.attention_NBT[layer * _SITES + ON_ATTENTION]
    heads = weights_BHTS.shape[1]
    head_H = torch.arange(keys.first_head, keys.first_head + heads, device=row_BT.device)
    kept_BHTS, scale = _kept(mix(row_BT[:, None, :] + head_H[:, None]), weights_BHTS.shape[-1], chance)
    return weights_BHTS * kept_BHTS * scale
