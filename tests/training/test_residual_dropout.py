"""Keyed dropout against a plain-Python oracle, and its laws: any part alone is that part of the whole."""

from __future__ import annotations

import math

import pytest
import torch

from corpus.order import derive_key
from training.residual_dropout import (
    AFTER_ATTENTION,
    AFTER_FEED_FORWARD,
    ON_ATTENTION,
    DropoutKeys,
    attention_dropout,
    residual_dropout,
)

MASK = 2**64 - 1


def mix(state: int) -> int:
    z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def kept(seed: int, update: int, layer: int, site: int, place: tuple[int, ...], chance: float) -> bool:
    """place: sample, position, channel; or sample, position, head, position attended to."""
    key = mix((derive_key(seed, f"dropout/{update}") + 3 * layer + site) & MASK)
    *rows, column = place
    key = mix((mix((key + rows[0]) & MASK) + rows[1]) & MASK)
    for row in rows[2:]:
        key = mix((key + row) & MASK)
    draw = mix(key ^ mix(column // 4 + 1)) >> 16 * (column % 4) & 0xFFFF
    return (draw if draw < 1 << 15 else draw - (1 << 16)) >= round(chance * (1 << 16)) - (1 << 15)


def keys(samples: list[int], positions: list[int], update: int = 3) -> DropoutKeys:
    return DropoutKeys.of(11, update, 2, torch.tensor(samples), torch.tensor(positions))


@pytest.mark.parametrize("site", [AFTER_ATTENTION, AFTER_FEED_FORWARD])
def test_residual_masks_are_the_oracles(site: int) -> None:
    samples, positions = [0, 5, 1023], [0, 1, 2047]
    out = residual_dropout(torch.ones(3, 3, 12), keys(samples, positions), 1, site, 0.3)
    expected = [
        [
            [kept(11, 3, 1, site, (sample, position, channel), 0.3) for channel in range(12)]
            for position in positions
        ]
        for sample in samples
    ]
    assert (out != 0).tolist() == expected


def test_attention_masks_are_the_oracles() -> None:
    whole = attention_dropout(torch.ones(2, 4, 3, 6), keys([0, 7], [0, 1, 2]), 1, 0.4)
    expected = [
        [
            [
                [kept(11, 3, 1, ON_ATTENTION, (sample, row, head, column), 0.4) for column in range(6)]
                for row in range(3)
            ]
            for head in range(4)
        ]
        for sample in (0, 7)
    ]
    assert (whole != 0).tolist() == expected
    some = DropoutKeys(*(keys([0, 7], [0, 1, 2]).residual_NBT,) * 2, first_head=2)
    assert torch.equal(attention_dropout(torch.ones(2, 2, 3, 6), some, 1, 0.4), whole[:, 2:])


def test_a_part_of_the_batch_or_of_the_sequence_has_that_part_of_the_mask() -> None:
    x_BTD = torch.randn(8, 16, 32, generator=torch.Generator().manual_seed(0))
    whole = residual_dropout(x_BTD, keys([*range(8)], [*range(16)]), 0, 0, 0.1)
    rows = residual_dropout(x_BTD[2:5], keys([2, 3, 4], [*range(16)]), 0, 0, 0.1)
    stretch = residual_dropout(x_BTD[:, 8:12], keys([*range(8)], [8, 9, 10, 11]), 0, 0, 0.1)
    assert torch.equal(rows, whole[2:5])
    assert torch.equal(stretch, whole[:, 8:12])


@pytest.mark.parametrize("chance", [0.1, 0.5, 0.9])
def test_as_much_is_lost_as_is_said_and_the_mean_stays(chance: float) -> None:
    x_BTD = torch.ones(16, 64, 1024, dtype=torch.float64)
    out = residual_dropout(x_BTD, keys([*range(16)], [*range(64)]), 1, 1, chance)
    lost = float((out == 0).double().mean())
    assert abs(lost - chance) < 4 * math.sqrt(chance * (1 - chance) / out.numel()) + 1 / (1 << 16)
    assert abs(float(out.mean()) - 1) < 5 * math.sqrt(chance / (1 - chance) / out.numel())
    # No row, channel or neighbour knows another: each mean is what chance allows.
    for dimensions in ((0, 1), (1, 2), (0, 2)):
        share = (out == 0).double().mean(dimensions)
        each = out.numel() / share.numel()
        assert float((share - chance).abs().max()) < 6 * math.sqrt(chance * (1 - chance) / each)


def test_layers_sites_and_updates_draw_apart() -> None:
    x_BTD = torch.ones(2, 8, 64)
    drawn = [
        residual_dropout(x_BTD, keys([0, 1], [*range(8)], update), layer, site, 0.5)
        for update in (0, 1)
        for layer in (0, 1)
        for site in (0, 1)
    ]
    for number, one in enumerate(drawn):
        for other in drawn[:number]:
            assert 0.35 < float((one == other).float().mean()) < 0.65


def test_the_gradient_is_masked_as_the_value_is() -> None:
    x_BTD = torch.randn(2, 4, 8, dtype=torch.float64, requires_grad=True)
    place = keys([0, 1], [*range(4)])
    assert torch.autograd.gradcheck(lambda x: residual_dropout(x, place, 0, 0, 0.25), x_BTD)


def test_without_keys_or_chance_nothing_is_touched() -> None:
    x_BTD = torch.randn(1, 2, 8)
    assert residual_dropout(x_BTD, None, 0, 0, 0.5) is x_BTD
    assert residual_dropout(x_BTD, keys([0], [0, 1]), 0, 0, 0.0) is x_BTD
