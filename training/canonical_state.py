"""All that changes with updates, by name: weights and moments, whole, or DTensors that say of what they are part.

What is given shares its memory with the trainer: to save it is to save the trainer, to load into it in place is to
load the trainer, whatever the backend.
"""

from __future__ import annotations

from typing import Final

import msgspec
import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from training.loop import Trainer
from training.model import Opt
from training.parallel import let_go, spread

_MOMENTS: Final = ("exp_avg", "exp_avg_sq")


def canonical_state(trainer: Trainer) -> dict[str, Tensor]:
    """ "model.NAME" -> weight; "optimiser.NAME.step", ".exp_avg", ".exp_avg_sq" -> its moments and updates.

    Moments that no update has made yet are made, as AdamW would begin with them: zeros.
    """
    let_go(trainer.model)
    meant = _meant(trainer)
    weights, moments = {}, {}
    for name, parameter in trainer.model.named_parameters():
        state = _begun(trainer.optimiser, parameter)
        weights[f"model.{name}"] = _canonical(parameter.detach(), meant.get(name))
        moments[f"optimiser.{name}.step"] = state["step"]
        for kind in _MOMENTS:
            moments[f"optimiser.{name}.{kind}"] = _canonical(state[kind], meant.get(name))
    return weights | moments


def weights_of(model: Opt) -> dict[str, Tensor]:
    """The same of a model that one process has whole, without moments."""
    return {f"model.{name}": parameter.detach() for name, parameter in model.named_parameters()}


def _meant(trainer: Trainer) -> dict[str, DTensor]:
    """Of each parameter of fairscale's, what FSDP2 and DTensor would have made of it: the same part."""
    mesh, config = trainer.mesh, trainer.config
    if mesh is None or config.mesh.backend != "fairscale":
        return {}
    native = msgspec.structs.replace(config, mesh=msgspec.structs.replace(config.mesh, backend="dtensor"))
    return dict(spread(native, mesh).named_parameters())


def _canonical(tensor: Tensor, meant: DTensor | None) -> Tensor:
    if meant is None:
        return tensor
    said: Tensor = DTensor.from_local(
        tensor.to_local(),
        meant.device_mesh,
        meant.placements,
        run_check=False,
        shape=meant.shape,
        stride=meant.stride(),
    )
    return said


def _begun(optimiser: torch.optim.Optimizer, parameter: nn.Parameter) -> dict[str, Tensor]:
    """A parameter's moments and its number of updates, made where there are none."""
    state: dict[str, Tensor] = optimiser.state[parameter]
    if not state:
        state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
        for kind in _MOMENTS:
            state[kind] = torch.zeros_like(parameter)
    return state
