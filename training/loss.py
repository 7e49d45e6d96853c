"""Cross-entropy of the next token, without ever holding two copies of the logits, or all of them at once.

Of 2,048 tokens the logits over 50,272 ids take 412 MB in fp32, and autograd keeps them, their softmax and their
gradient. Here rows are taken in chunks, and a chunk's gradient is computed in the forward pass, while its logits
are there; what is kept is the gradient with respect to the hidden states and the weight.

Where processes hold some rows of the weight each, a chunk's greatest logit, its sum and its target's logit are all
that they tell each other.

    N  tokens     D  channels     V  ids of the vocabulary     C  tokens of a chunk
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
import torch.distributed as dist
from torch import Tensor

# Unpublished: our choice. 1,024 rows of 50,272 fp32 logits are 206 MB, and a product worth a device's while.
CHUNK: Final = 1024

# MKL makes up its mind about vector functions when one is first called. Of two threads that call together, one may
# be given a coarser exponential for that call, 3e-5 off: on a busy machine in 9 of 120 processes, and in none of
# 120 with this line, in which one thread calls alone.
torch.exp(torch.zeros(1))


@dataclass(frozen=True, eq=False)
class VocabularyPart:
    """The ids whose logits this process computes.

    Attributes:
        first: The first of them; as many follow as the weight has rows.
        group: The processes that compute the others.
    """

    first: int
    group: dist.ProcessGroup


def cross_entropy(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    target_N: Tensor,
    chunk: int = CHUNK,
    part: VocabularyPart | None = None,
) -> Tensor:
    """The sum over tokens of minus the log-probability of each target, a scalar in fp32 (of fp64, in fp64).

    Args:
        hidden_ND: Hidden states; products are in their dtype, everything after in fp32.
        weight_VD: The output embedding, in any dtype.
        target_N: int64, the ids to predict.
        chunk: Rows whose logits are held at once.
        part: Where `weight_VD` holds some ids only. The loss is of all ids, and the same on each process; the
            gradient of the hidden states is what comes through these ids, to be summed over processes.
    """
    loss: Tensor = _ChunkedCrossEntropy.apply(hidden_ND, weight_VD, target_N, chunk, part)
    return loss


class _ChunkedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: Tensor,
        weight_VD: Tensor,
        target_N: Tensor,
        chunk: int,
        part: VocabularyPart | None,
    ) -> Tensor:
        wide = torch.promote_types(hidden_ND.dtype, torch.float32)
        head_VD = weight_VD.to(hidden_ND.dtype)
        wanted = any(ctx.needs_input_grad[:2])
        loss = torch.zeros((), dtype=wide, device=hidden_ND.device)
        d_hidden_ND = torch.empty_like(hidden_ND) if wanted else None
        d_weight_VD = torch.zeros_like(weight_VD, dtype=wide) if wanted else None
        # One buffer for all chunks: memory that is asked for anew is memory that is cleared anew.
        buffer_CV = hidden_ND.new_empty(min(chunk, len(hidden_ND)), len(head_VD))
        for start in range(0, len(hidden_ND), chunk):
            hidden_CD, target_C = hidden_ND[start : start + chunk], target_N[start : start + chunk, None]
            logits_CV = torch.mm(hidden_CD, head_VD.T, out=buffer_CV[: len(hidden_CD)]).to(wide)
            index_C, held_C = _own_targets(target_C, len(head_VD), part)
            sum_C, at_target_C = _normalise(logits_CV, index_C, held_C, part)
            loss += (sum_C.log() - at_target_C).sum()
            if d_hidden_ND is None or d_weight_VD is None:
                continue
            # The softmax less one at the target, written over the logits.
            d_logits_CV = logits_CV.div_(sum_C).scatter_add_(1, index_C, -held_C.to(wide))
            narrow_CV = d_logits_CV.to(hidden_ND.dtype)
            d_hidden_ND[start : start + chunk] = narrow_CV @ head_VD
            if wide == hidden_ND.dtype:
                d_weight_VD.addmm_(narrow_CV.T, hidden_CD)
            else:
                d_weight_VD += narrow_CV.T @ hidden_CD
        ctx.weight_dtype = weight_VD.dtype
        ctx.save_for_backward(d_hidden_ND, d_weight_VD)
        return loss

    @staticmethod
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        d_hidden_ND, d_weight_VD = ctx.saved_tensors
        d_weight_VD = (d_weight_VD * d_loss).to(ctx.weight_dtype)
        return (d_hidden_ND * d_loss).to(d_hidden_ND.dtype), d_weight_VD, None, None, None


def _own_targets(target_C: Tensor, rows: int, part: VocabularyPart | None) -> tuple[Tensor, Tensor]:
    """Where each target stands among the rows that are held, and whether it does: int64 and bool, [C, 1]."""
    if part is None:
        return target_C, torch.ones_like(target_C, dtype=torch.bool)
    index_C = target_C - part.first
    held_C = (index_C >= 0) & (index_C < rows)
    return index_C.clamp(0, rows - 1), held_C


def _normalise(
    logits_CV: Tensor, index_C: Tensor, held_C: Tensor, part: VocabularyPart | None
) -> tuple[Tensor, Tensor]:
    """Writes exponents over logits, less the greatest; gives their sum and what was at the target, [C, 1] each."""
    greatest_C = logits_CV.amax(dim=1, keepdim=True)
    if part is not None:
        dist.all_reduce(greatest_C, dist.ReduceOp.MAX, part.group)
    logits_CV -= greatest_C
    at_target_C = logits_CV.gather(1, index_C) * held_C
    sum_C = logits_CV.exp_().sum(dim=1, keepdim=True)
    if part is not None:
        both_2C = torch.stack([sum_C, at_target_C])
        dist.all_reduce(both_2C, group=part.group)
        sum_C, at_target_C = both_2C.unbind()
    return sum_C, at_target_C
