"""Log-probabilities of what requests ask for: one forward pass over a forest, and logits where they are needed.

N  rows of the forest           R  rows that predict something
E  channels of the embedding    V  ids of the vocabulary
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from evaluation.forest import BLOCK_ROWS, Around, Forest
from evaluation.request import Request
from training.model import Opt

# Rows whose logits are held at once: 25 MB in fp32, which an allocator keeps. Unpublished: our choice.
_LOGIT_ROWS: Final = 128


@dataclass(frozen=True, eq=False)
class Scores:
    """What a model says of a request.

    Attributes:
        logprobs: float64[scored], of each token asked for, behind all before it.
        greedy: bool[scored], whether it was the most probable.
    """

    logprobs: NDArray[np.float64]
    greedy: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Scorer:
    """Scores requests together.

    Attributes:
        model: On any device.
        size: Ids of the vocabulary: the embedding has more rows, which stand for nothing and get no probability.
        block_rows: Of a block (evaluation/forest.py).
    """

    model: Opt
    size: int
    block_rows: int = BLOCK_ROWS

    def score(self, requests: Sequence[Request]) -> list[Scores]:
        """One for each request, in their order; to be called with as many as fit into memory.

        A request's score depends on those beside it in its last bits alone: they change how sums are laid out.
        """
        if not requests:
            return []
        forest = Forest.of(requests)
        target = np.concatenate([request.ids[-request.scored :] for request in requests]).astype(np.int64)
        row, at_row = np.unique(np.concatenate(forest.targets), return_inverse=True)
        with torch.inference_mode():
            logprob, greedy = self._predict(forest, row, at_row, target)
        bounds = np.cumsum([request.scored for request in requests])[:-1]
        return [
            Scores(own, best)
            for own, best in zip(np.split(logprob, bounds), np.split(greedy, bounds), strict=True)
        ]

    def _predict(
        self, forest: Forest, row: NDArray[np.int64], at_row: NDArray[np.int64], target: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """What the rows give to targets: `target[i]` is predicted by `row[at_row[i]]`."""
        decoder = self.model.model.decoder
        weight_VE = decoder.embed_tokens.weight[: self.size]
        like = weight_VE.new_empty((), dtype=decoder.compute)
        token_BT = torch.from_numpy(forest.token.astype(np.int64))[None].to(weight_VE.device)
        hidden_NE = decoder(token_BT, None, Around(forest, like, self.block_rows))[0]
        order = np.argsort(at_row, kind="stable")
        logprob, greedy = np.empty(len(target)), np.empty(len(target), np.bool_)
        for first in range(0, len(row), _LOGIT_ROWS):
            low, high = np.searchsorted(at_row[order], [first, first + _LOGIT_ROWS])
            here = order[low:high]
            row_R = torch.from_numpy(row[first : first + _LOGIT_ROWS]).to(weight_VE.device)
            found, best = _look_up(hidden_NE[row_R], weight_VE, at_row[here] - first, target[here])
            logprob[here], greedy[here] = found, best
        return logprob, greedy


def _look_up(
    hidden_RE: Tensor, weight_VE: Tensor, at_row: NDArray[np.int64], target: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    logits_RV = functional.linear(hidden_RE, weight_VE.to(hidden_RE.dtype))
    if logits_RV.dtype != torch.float64:
        logits_RV = logits_RV.float()
    at = torch.from_numpy(at_row).to(logits_RV.device)
    chosen = logits_RV[at, torch.from_numpy(target).to(logits_RV.device)]
    found = (chosen - logits_RV.logsumexp(-1)[at]).double()
    return found.cpu().numpy(), (chosen == logits_RV.amax(-1)[at]).cpu().numpy()
