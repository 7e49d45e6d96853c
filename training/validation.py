"""Loss on what was held out, source by source, from the manifest's validation split."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.model import Opt
from training.replica import Replica
from training.token_stream import TokenStream


def validate(
    model: Opt,
    stream: TokenStream,
    limit: int,
    rows: int,
    replica: Replica,
    to_device: Callable[[NDArray[np.uint16]], Tensor],
) -> dict[str, float]:
    """Source -> mean cross-entropy, nats a token, without dropout; a source that has no whole window is left out.

    Args:
        model: As it is.
        stream: Of the validation split.
        limit: Windows of each source, the first ones; 0 for all.
        rows: Windows of a forward pass.
        replica: Takes every so many-th window; all replicas make as many passes, some of them of none.
        to_device: Tokens as ids where the model is.
    """
    found = {}
    for source, windows in stream.windows.items():
        count = min(windows, limit or windows)
        if not count:
            continue
        total = torch.zeros((), dtype=torch.float64)
        for start in range(0, count, rows * replica.count):
            end = min(count, start + rows * replica.count)
            ids = stream.first(source, end, start + replica.rank, replica.count)
            # A replica without a window of its own computes the first, uncounted: passes are collective.
            token_BT = to_device(stream.read(ids if len(ids) else stream.first(source, 1)))
            with torch.no_grad():
                loss = model(token_BT[:, :-1], token_BT[:, 1:])
            total += loss.double().cpu() if len(ids) else 0
        found[source] = float(replica.add(total)) / (count * (stream.width - 1))
    return found
