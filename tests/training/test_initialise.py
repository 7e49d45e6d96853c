"""Initial values: a block alone is the block of the whole, to the last bit, and the whole is normal."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.config import ModelShape
from training.initialise import DEVIATION, fill, initialise
from training.model import Opt

SHAPE = ModelShape(layers=2, heads=2, width=64, feed_forward=128, vocabulary=512, positions=64)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_block_is_filled_as_within_the_whole(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=3))
    origin = [data.draw(st.integers(0, size - 1)) for size in shape]
    ends = [data.draw(st.integers(start + 1, size)) for start, size in zip(origin, shape, strict=True)]
    key = data.draw(st.integers(0, 2**64 - 1))
    whole = torch.empty(shape)
    fill(whole, [0] * len(shape), shape, (0.0, 1.0), key)
    block = torch.empty([end - start for start, end in zip(origin, ends, strict=True)])
    fill(block, origin, shape, (0.0, 1.0), key)
    assert torch.equal(block, whole[tuple(slice(a, b) for a, b in zip(origin, ends, strict=True))])


def test_values_are_normal_and_neighbours_are_strangers() -> None:
    values = torch.empty(1 << 20, dtype=torch.float64)
    fill(values, [0], [1 << 20], (0.0, 1.0), key=7)
    ordered = values.sort().values
    standard = NormalDist()
    for point in (-4.0, -2.0, -1.0, 0.0, 0.5, 1.5, 3.0):
        share = float(torch.searchsorted(ordered, point)) / len(values)
        expected = standard.cdf(point)
        assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / len(values))
    for apart in (1, 2, 64, 4096):
        correlation = float((values[apart:] * values[:-apart]).mean())
        assert abs(correlation) < 4 / math.sqrt(len(values))
    assert len(values.unique()) > 0.99 * len(values)


def test_a_model_starts_as_opt_does() -> None:
    model = Opt(SHAPE)
    initialise(model, SHAPE, seed=1)
    for name, parameter in model.named_parameters():
        values = parameter.detach()
        if name.endswith("bias"):
            assert (values == 0).all(), name
        elif "layer_norm" in name:
            assert (values == 1).all(), name
        else:
            scaled = name.endswith(("out_proj.weight", "fc2.weight"))
            expected = DEVIATION / math.sqrt(4) if scaled else DEVIATION
            assert float(values.std()) == pytest.approx(expected, rel=0.05), name
            assert abs(float(values.mean())) < 4 * expected / math.sqrt(values.numel()), name


def test_every_parameter_has_its_own_values_and_every_seed() -> None:
    models = [Opt(SHAPE), Opt(SHAPE), Opt(SHAPE)]
    for model, seed in zip(models, (1, 1, 2), strict=True):
        initialise(model, SHAPE, seed)
    first, again, other = (model.model.decoder.layers for model in models)
    assert torch.equal(first[0].fc1.weight, again[0].fc1.weight)
    assert not torch.equal(first[0].fc1.weight, first[1].fc1.weight)
    assert not torch.equal(first[0].fc1.weight, other[0].fc1.weight)


def test_the_values_are_frozen() -> None:
    """A change here is a change of every run: INITIALISE_VERSION moves with it."""
    values = torch.empty(4)
    fill(values, [0], [4], (0.0, 1.0), key=2**63 + 12345)
    expected = [0.677885771, 0.425529659, 1.59561217, 2.6554215]
    assert torch.equal(values, torch.tensor(expected))
