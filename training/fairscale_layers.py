"""The seam of fairscale: the layers of OPT's day, Megatron's, in the places that the plan names.

fairscale's parameters are a process's own part and do not know it: nothing in them says of what, or along which
axis. Saved as they are, every process would write its part under the same name, and all would load rank 0's,
silently. So a model of these layers refuses to tell its state; `canonical_state` tells it by whole parameters.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

from fairscale.nn.model_parallel import initialize
from fairscale.nn.model_parallel.layers import ColumnParallelLinear, RowParallelLinear, VocabParallelEmbedding
from fairscale.nn.model_parallel.mappings import copy_to_model_parallel_region
from torch import Tensor, nn

from corpus.errors import RunError
from training.mesh import Mesh
from training.model import Opt
from training.parallel import Style, VocabularyParallelHead

_WHERE = "mesh.backend = fairscale"


def replace_layers(model: Opt, mesh: Mesh, style_of: Callable[[str], Style | None]) -> None:
    """Puts fairscale's layers in place of the model's own, on the meta device."""
    initialize.destroy_model_parallel()
    with redirect_stdout(io.StringIO()):  # it tells of its groups, on every run
        initialize.initialize_model_parallel(mesh.size("tp"))
    for name, module in list(model.named_modules()):
        style = style_of(name)
        made = None if style is None else _made(style, module)
        if made is not None:
            parent, _, child = name.rpartition(".")
            dtype = module.weight.dtype
            setattr(model.get_submodule(parent), child, made.to(device="meta", dtype=dtype))
    model.head = VocabularyParallelHead(mesh, model.shape, copy_to_model_parallel_region)
    model.register_state_dict_pre_hook(refuse)


def _made(style: Style, module: nn.Module) -> nn.Module | None:
    """A module of fairscale's for one of ours; it holds nothing yet, and positions and norms stay as they are."""
    if style is Style.VOCABULARY:
        return VocabParallelEmbedding(module.num_embeddings, module.embedding_dim, init_method=_leave)
    if style not in (Style.COLUMNS, Style.OUTER_COLUMNS, Style.ROWS):
        return None
    size = (module.in_features, module.out_features)
    given: dict[str, Any] = {"bias": module.bias is not None, "init_method": _leave}
    if style is Style.ROWS:
        return RowParallelLinear(*size, input_is_parallel=True, **given)
    return ColumnParallelLinear(*size, gather_output=style is Style.OUTER_COLUMNS, **given)


def _leave(weight: Tensor) -> Tensor:
    return weight


def refuse(*_: object) -> None:
    """Says why neither model nor optimiser tells its state.

    Raises:
        RunError: Always.
    """
    raise RunError(
        "fairscale's parameters do not say of what they are a part: a checkpoint would hold rank 0's for all",
        where=_WHERE,
        remedy="save canonical_state(trainer), which says it",
    )
