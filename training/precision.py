"""The dtypes of a run: what weights are kept in, what is computed in, what gradients are summed in.

The same three as FSDP2's MixedPrecisionPolicy is given: a weight is cast when it is used, and its gradient, which
comes in the dtype of the product, is added up in that of the weight. No autocast: no operation is chosen for.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from training.config import Precision


@dataclass(frozen=True)
class Dtypes:
    """The dtypes of weights and moments, of activations and products, and of sums of gradients over replicas."""

    parameters: torch.dtype
    compute: torch.dtype
    reduce: torch.dtype


def dtypes(precision: Precision) -> Dtypes:
    """The dtypes that a preset stands for."""
    if precision.compute == "fp64":
        return Dtypes(torch.float64, torch.float64, torch.float64)
    compute = torch.bfloat16 if precision.compute == "bf16" else torch.float32
    return Dtypes(torch.float32, compute, torch.float32)
