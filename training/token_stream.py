"""A sealed corpus as windows of tokens: mapped into memory, gathered row by row, never copied elsewhere.

The shards of a source and split, end to end, are cut into windows of one token more than a sequence: each token of
a window but its last predicts the next. What is left at the end of a source is its tail, which no window holds.
Nothing here knows an order: that is corpus/window_order.py's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from corpus.mapped_corpus import MappedCorpus
from corpus.shard import Shard
from corpus.window_order import WindowIds

Split = Literal["train", "valid"]


class TokenStream:
    """The windows of one split.

    Args:
        corpus: Where they are from.
        split: "train" or "valid".
        sequence: Tokens of a sequence; a window has one more.

    Attributes:
        windows: Source -> its windows, in the manifest's order of sources.
        tails: Source -> its tokens that no window holds.

    Raises:
        IntegrityError: A shard is missing or its index does not hold.
    """

    def __init__(self, corpus: MappedCorpus, split: Split, sequence: int) -> None:
        self.width = sequence + 1
        self.windows: dict[str, int] = {}
        self.tails: dict[str, int] = {}
        self._tables: list[NDArray[np.uint16]] = []
        shards = [shard for shard in corpus.manifest.shards if shard.split == split]
        for source in dict.fromkeys(shard.source for shard in shards):
            own = [Shard.open(corpus.stem(shard)).tokens for shard in shards if shard.source == source]
            tables, self.tails[source] = cut_windows(own, self.width)
            self.windows[source] = sum(map(len, tables))
            self._tables += tables
        self._first_of_table = np.cumsum([0, *map(len, self._tables)])[:-1]
        self._first_of_source = np.cumsum([0, *self.windows.values()])[:-1]

    def read(self, ids: WindowIds) -> NDArray[np.uint16]:
        """uint16[rows, sequence + 1], the tokens of these windows."""
        out = np.empty((len(ids), self.width), np.uint16)
        window = self._first_of_source[ids.source] + ids.window
        table = np.searchsorted(self._first_of_table, window, side="right") - 1
        tables = self._tables
        for row, (number, at) in enumerate(
            zip(table.tolist(), (window - self._first_of_table[table]).tolist(), strict=True)
        ):
            out[row] = tables[number][at]
        return out

    def first(self, source: str, end: int, start: int = 0, step: int = 1) -> WindowIds:
        """The windows of a source from `start` to `end`, every `step`-th, as they lie."""
        window = np.arange(start, min(end, self.windows[source]), step)
        number = np.full(len(window), [*self.windows].index(source))
        return WindowIds(number, np.zeros(len(window), np.int64), window)


def cut_windows(shards: Sequence[NDArray[np.uint16]], width: int) -> tuple[list[NDArray[np.uint16]], int]:
    """Cuts shards, end to end, into windows.

    Args:
        shards: uint16[tokens] each.
        width: Tokens of a window.

    Returns:
        uint16[windows, width], tables that together are the windows in order: views, but for windows that cross
        from a shard into the next; and the tokens left over.
    """
    tables: list[NDArray[np.uint16]] = []
    begun: list[NDArray[np.uint16]] = []
    for tokens in shards:
        rest = tokens
        if begun:
            missing = width - sum(map(len, begun))
            begun, rest = [*begun, tokens[:missing]], tokens[missing:]
            if len(tokens) < missing:
                continue
            tables.append(np.concatenate(begun)[None])
        whole = len(rest) // width
        if whole:
            tables.append(rest[: whole * width].reshape(whole, width))
        begun = [rest[whole * width :]]
    return tables, sum(map(len, begun))
