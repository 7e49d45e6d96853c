"""The chunked cross-entropy against torch's own, its gradient against finite differences, and what it holds."""

from __future__ import annotations

import pytest
import torch
import torch.distributed as dist
from processes import run_processes
from torch.nn import functional

from training.loss import VocabularyPart, cross_entropy


@pytest.mark.parametrize("chunk", [1, 3, 7, 8, 100])
def test_value_and_gradient_are_those_of_torch(chunk: int) -> None:
    generator = torch.Generator().manual_seed(3)
    hidden_ND = torch.randn(8, 5, dtype=torch.float64, generator=generator, requires_grad=True)
    weight_VD = torch.randn(11, 5, dtype=torch.float64, generator=generator, requires_grad=True)
    target_N = torch.randint(0, 11, (8,), generator=generator)
    expected = functional.cross_entropy(hidden_ND @ weight_VD.T, target_N, reduction="sum")
    found = cross_entropy(hidden_ND, weight_VD, target_N, chunk)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    gradients = [torch.autograd.grad(each * 3, (hidden_ND, weight_VD)) for each in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-12)


def test_the_gradient_is_that_of_the_value() -> None:
    hidden_ND = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    weight_VD = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    target_N = torch.tensor([0, 5, 2, 2, 1])
    assert torch.autograd.gradcheck(lambda h, w: cross_entropy(h, w, target_N, 2), (hidden_ND, weight_VD))


def test_bf16_states_are_summed_in_fp32() -> None:
    """Two thousand losses of about 6: in bf16 their sum would stop growing at a few hundred."""
    generator = torch.Generator().manual_seed(3)
    hidden_ND = torch.randn(2000, 16, generator=generator).bfloat16().requires_grad_()
    weight_VD = (torch.randn(400, 16, generator=generator) / 4).requires_grad_()
    target_N = torch.randint(0, 400, (2000,), generator=generator)
    loss = cross_entropy(hidden_ND, weight_VD, target_N, 128)
    expected = functional.cross_entropy(hidden_ND.float() @ weight_VD.T, target_N, reduction="sum")
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected.item(), rel=1e-3)
    found, wanted = (torch.autograd.grad(each, (hidden_ND, weight_VD)) for each in (loss, expected))
    assert [gradient.dtype for gradient in found] == [torch.bfloat16, torch.float32]
    for one, other in zip(found, wanted, strict=True):
        assert float((one.float() - other.float()).norm() / other.float().norm()) < 0.02


def test_without_a_gradient_none_is_computed() -> None:
    with torch.no_grad():
        loss = cross_entropy(torch.randn(4, 3), torch.randn(7, 3), torch.arange(4))
    assert not loss.requires_grad


def test_extreme_logits_stay_finite() -> None:
    hidden_ND = torch.tensor([[1e4], [-1e4]], requires_grad=True)
    weight_VD = torch.tensor([[1.0], [-1.0]], requires_grad=True)
    loss = cross_entropy(hidden_ND, weight_VD, torch.tensor([0, 0]))
    loss.backward()
    assert loss.item() == pytest.approx(2e4)
    assert torch.isfinite(hidden_ND.grad).all() and torch.isfinite(weight_VD.grad).all()


def _part(rank: int, size: int) -> None:
    """The loss is of all ids; gradients of hidden states add up, and those of the weight lie apart."""
    generator = torch.Generator().manual_seed(3)
    hidden_ND = torch.randn(8, 5, dtype=torch.float64, generator=generator, requires_grad=True)
    weight_VD = torch.randn(12, 5, dtype=torch.float64, generator=generator, requires_grad=True)
    target_N = torch.randint(0, 12, (8,), generator=generator)
    expected = functional.cross_entropy(hidden_ND @ weight_VD.T, target_N, reduction="sum")
    d_hidden_ND, d_weight_VD = torch.autograd.grad(expected, (hidden_ND, weight_VD))
    rows = 12 // size
    own = slice(rank * rows, (rank + 1) * rows)
    for chunk in (1, 3, 8):
        held_VD = weight_VD.detach()[own].requires_grad_()
        part = VocabularyPart(own.start, dist.group.WORLD)
        found = cross_entropy(hidden_ND, held_VD, target_N, chunk, part)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
        found_ND, found_VD = torch.autograd.grad(found, (hidden_ND, held_VD))
        dist.all_reduce(found_ND)
        torch.testing.assert_close(found_ND, d_hidden_ND, rtol=0, atol=1e-12)
        torch.testing.assert_close(found_VD, d_weight_VD[own], rtol=0, atol=1e-12)


def test_processes_with_some_ids_each_find_the_loss_of_all() -> None:
    run_processes(3, _part, 3)
