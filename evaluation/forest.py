"""Texts that begin alike, as a forest: each shared beginning is computed once, and nothing is padded.

Requests are laid out in preorder: a token's row is followed by the rows of all that go on from it. So row `j` is
an ancestor of row `i`, or itself, just when `j <= i < end[j]`: that comparison is the whole attention mask. Rows
may be cut anywhere into blocks: what those of a block attend to outside of it are the ancestors of its first.

    N  rows, that is tokens that are computed     Q  rows of a block     S  rows that it attends to
    H  heads     T  rows of a call, as training/model.py has them        K  channels of a head
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

from evaluation.request import Request, common_prefix

# Rows of a block. Unpublished: our choice, by workflows/benchmarks/evaluator.py: fewer are more calls, more
# compute what the mask then throws away.
BLOCK_ROWS: Final = 128


@dataclass(frozen=True, eq=False)
class Forest:
    """What is computed for some requests.

    Attributes:
        token: uint16[N].
        place: int64[N], the place of each in its text, from 0.
        end: int64[N], the row behind the last that goes on from it.
        targets: For each request, int64[scored]: the rows that predict what is asked for.
        ancestors: For each row at which a text parts from the one laid out before it, int64: those above it.
    """

    token: NDArray[np.uint16]
    place: NDArray[np.int64]
    end: NDArray[np.int64]
    targets: tuple[NDArray[np.int64], ...]
    _paths: tuple[tuple[int, NDArray[np.int64]], ...]

    @classmethod
    def of(cls, requests: Sequence[Request]) -> Forest:
        """Lays requests out; equal ones cost what one costs."""
        # A request's last token is predicted and predicts nothing. Big-endian bytes sort as ids do.
        texts = [request.ids[:-1] for request in requests]
        keys = [text.astype(">u2").tobytes() for text in texts]
        token: list[NDArray[np.uint16]] = []
        place: list[NDArray[np.int64]] = []
        paths: list[tuple[int, NDArray[np.int64]]] = []
        targets: list[NDArray[np.int64]] = [np.empty(0, np.int64)] * len(requests)
        end = np.zeros(sum(map(len, texts)), np.int64)
        rows, before, path = 0, np.empty(0, np.uint16), np.empty(0, np.int64)
        for number in sorted(range(len(requests)), key=keys.__getitem__):
            text = texts[number]
            shared = common_prefix(before, text)
            if len(text) > shared:
                end[path[shared:]] = rows
                grown = np.arange(rows, rows + len(text) - shared)
                path = np.concatenate([path[:shared], grown])
                paths.append((rows, path))
                token.append(text[shared:])
                place.append(np.arange(shared, len(text)))
                rows, before = rows + len(grown), text
            targets[number] = path[len(text) - requests[number].scored : len(text)]
        end[path] = rows
        return cls(np.concatenate(token), np.concatenate(place), end[:rows], tuple(targets), tuple(paths))

    def blocks(self, rows: int) -> list[tuple[int, int, NDArray[np.int64]]]:
        """Cuts the rows into blocks: first row, end, and the ancestors of the first.

        A block ends where the next has the fewest ancestors: between two texts, where there is such a place.
        """
        starts = np.array([row for row, _ in self._paths])
        found, first = [], 0
        while first < len(self.token):
            last = min(first + rows, len(self.token))
            if last < len(self.token):  # of equals the last
                half = first + max(rows // 2, 1)
                last -= int(np.argmin(self.place[half : last + 1][::-1]))
            path = self._paths[int(np.searchsorted(starts, first, side="right")) - 1][1]
            found.append((first, last, path[: self.place[first]]))
            first = last
        return found


class Around:
    """The attention of a forest, as the model asks for it (`training.model.Surroundings`).

    Args:
        forest: What is computed.
        like: On the device and in the dtype of the model's activations.
        rows: Of a block.
    """

    def __init__(self, forest: Forest, like: Tensor, rows: int) -> None:
        self._place_T = torch.from_numpy(forest.place).to(like.device)
        self._blocks = [
            (first, end, *_mask(forest, first, end, above, like)) for first, end, above in forest.blocks(rows)
        ]

    def positions(self, token_BT: Tensor) -> Tensor:
        """See `Surroundings`."""
        return self._place_T

    def attend(self, layer: int, query_BHTK: Tensor, key_BHTK: Tensor, value_BHTK: Tensor) -> Tensor:
        """See `Surroundings`; B is 1."""
        heads_BHTK = torch.empty_like(query_BHTK)
        for first, end, seen_S, mask_QS in self._blocks:
            if seen_S is None:
                key_BHSK, value_BHSK = key_BHTK[:, :, first:end], value_BHTK[:, :, first:end]
            else:
                key_BHSK, value_BHSK = key_BHTK[:, :, seen_S], value_BHTK[:, :, seen_S]
            heads_BHTK[:, :, first:end] = functional.scaled_dot_product_attention(
                query_BHTK[:, :, first:end], key_BHSK, value_BHSK, mask_QS
            )
        return heads_BHTK


def _mask(
    forest: Forest, first: int, end: int, above: NDArray[np.int64], like: Tensor
) -> tuple[Tensor | None, Tensor]:
    """int64[S], the rows that a block attends to, or None for its own; and what is added to its scores, [Q, S]."""
    row_Q = np.arange(first, end)[:, None]
    seen_S = np.concatenate([above, np.arange(first, end)])
    sees_QS = torch.from_numpy((seen_S <= row_Q) & (row_Q < forest.end[seen_S]))
    mask_QS = like.new_zeros(sees_QS.shape).masked_fill(~sees_QS.to(like.device), -torch.inf)
    return (torch.from_numpy(seen_S).to(like.device) if len(above) else None), mask_QS
