"""AdamW as OPT had it, and what is done to a gradient before: scaled, measured, clipped."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from training.config import Optimisation

Norm = Callable[[list[Tensor]], Tensor]


def build_optimiser(parameters: Iterable[nn.Parameter], optimisation: Optimisation) -> torch.optim.AdamW:
    """AdamW over all parameters alike; its rate is set anew at every update."""
    return torch.optim.AdamW(
        parameters,
        lr=optimisation.learning_rate,
        betas=optimisation.betas,
        eps=optimisation.epsilon,
        weight_decay=optimisation.weight_decay,
        fused=True,
    )


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Every hyperparameter is the config's, never a checkpoint's: the rate is written before each update."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def predivision(predivide: float, replicas: int) -> tuple[float, float]:
    """By what a replica's mean gradient is multiplied before the sum over replicas, and after it.

    Source: fairscale, FullyShardedDataParallel, `gradient_predivide_factor`: the two divisions together are by the
    number of replicas, and in fp16 neither the parts nor their sum leave its range.
    """
    before = predivide or float(replicas)
    return 1 / before, before / replicas


def clip(
    parameters: Iterable[nn.Parameter],
    limit: float,
    scale: float = 1.0,
    total_norm: Norm = nn.utils.get_total_norm,
) -> Tensor:
    """Scales gradients, then shortens them to a global norm; gives their norm before it was shortened.

    Args:
        parameters: Their gradients change in place.
        limit: The greatest norm; 0 for none.
        scale: By what every gradient is multiplied first.
        total_norm: The L2 norm of the parameters' gradients, or of what else is as they are, all together.
    """
    held = [parameter for parameter in parameters if parameter.grad is not None]
    gradients = [parameter.grad for parameter in held]
    if scale != 1:
        for gradient in gradients:
            gradient.mul_(scale)
    norm = total_norm(gradients)
    if limit:
        nn.utils.clip_grads_with_norm_(held, limit, norm)
    return norm
