"""AdamW and clipping against the formulas written out, and predivision's arithmetic."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from training.config import Optimisation
from training.optimiser import build_optimiser, clip, predivision, set_rate


def test_an_update_is_adamw_as_its_paper_has_it() -> None:
    """Decay decoupled from the gradient, on every parameter. Source: Loshchilov and Hutter, arXiv 1711.05101."""
    start, optimisation = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64), Optimisation(learning_rate=1e-2)
    parameter = nn.Parameter(start.clone())
    optimiser = build_optimiser([parameter], optimisation)
    values, first, second = start.tolist(), [0.0] * 3, [0.0] * 3
    for step in range(1, 6):
        rate = 1e-2 / step
        gradient = [math.sin(step + i) for i in range(3)]
        parameter.grad = torch.tensor(gradient, dtype=torch.float64)
        set_rate(optimiser, rate)
        optimiser.step()
        for i, g in enumerate(gradient):
            first[i] = 0.9 * first[i] + 0.1 * g
            second[i] = 0.95 * second[i] + 0.05 * g * g
            values[i] -= rate * 0.1 * values[i]
            moved = first[i] / (1 - 0.9**step) / (math.sqrt(second[i] / (1 - 0.95**step)) + 1e-8)
            values[i] -= rate * moved
        assert parameter.tolist() == pytest.approx(values, rel=1e-12)


@pytest.mark.parametrize(("limit", "scale"), [(1.0, 1.0), (0.0, 1.0), (1e9, 0.25), (0.5, 2.0)])
def test_gradients_are_scaled_then_shortened_to_the_limit(limit: float, scale: float) -> None:
    parameters = [nn.Parameter(torch.zeros(3, dtype=torch.float64)) for _ in range(3)]
    gradients = [torch.tensor([3.0, 0.0, 4.0]).double(), torch.tensor([0.0, 12.0, 0.0]).double()]
    for parameter, gradient in zip(parameters, gradients, strict=False):  # the third has none
        parameter.grad = gradient.clone()
    norm = clip(parameters, limit, scale)
    assert norm.item() == 13 * scale
    shortened = min(1.0, limit / (13 * scale + 1e-6)) if limit else 1.0
    for parameter, gradient in zip(parameters, gradients, strict=False):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, gradient * scale * shortened, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("predivide", "replicas"), [(0, 1), (0, 7), (32, 992), (1, 8), (8, 8)])
def test_predivision_divides_by_the_replicas_in_two_parts(predivide: float, replicas: int) -> None:
    before, after = predivision(predivide, replicas)
    assert before * after == pytest.approx(1 / replicas, rel=1e-15)
    assert before == pytest.approx(1 / (predivide or replicas))
