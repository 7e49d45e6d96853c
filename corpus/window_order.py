"""Which window of which source stands in which row of which batch, and back: arithmetic, nothing is stored.

A window is a run of so many tokens of one source; windows do not overlap, and those of a source are numbered from
0. A batch is named by its data step. Its rows come in blocks: a block holds a whole number of windows of each
source, in proportion to the weights, spread evenly. The k-th window drawn of a source belongs to epoch k // n of
its n windows, and which of them it is a keyed permutation of that epoch says: so each epoch of each source holds
each window once, whatever the weights do, and no process, rank or resumption has any part in it.

    update     the updates of the model done so far
    data step  the batches drawn or passed over so far: update + what the segments passed over
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from corpus.errors import RecipeError
from corpus.order import Permutation, derive_key, proportional_quotas

WINDOW_ORDER_VERSION: Final = 1

# Unpublished: our choice. A source's share is exact to 1/65,536 of the whole; a smaller union is one block.
BLOCK: Final = 1 << 16


class Segment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes in the data from an update on; the list of them only ever grows.

    Attributes:
        update: The updates done when it begins; the first segment's is 0.
        skip: Batches passed over there: drawn by the rules before it, and not trained on.
        weights: Source -> a whole number; a source not named is not drawn. Empty: as before, and at first as many
            of each source as it has windows.
    """

    update: int = 0
    skip: int = 0
    weights: dict[str, int] = {}


@dataclass(frozen=True, eq=False)
class WindowIds:
    """The windows of some rows, in the order of the rows.

    Attributes:
        source: int64[rows], the source's number.
        epoch: int64[rows], how often the source had been drawn whole.
        window: int64[rows], the window's number within its source.
    """

    source: NDArray[np.int64]
    epoch: NDArray[np.int64]
    window: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.window)

    def digest(self) -> str:
        """sha256 of (source, epoch, window) row by row, each a little-endian int64; 64 hex digits."""
        rows = np.stack((self.source, self.epoch, self.window), axis=1)
        return hashlib.sha256(rows.astype("<i8", copy=False).tobytes()).hexdigest()


@dataclass(frozen=True)
class Place:
    """Where a window is drawn.

    Attributes:
        data_step: The batch.
        row: Its row in the batch.
        update: The updates done before the one that trains on it; None where the batch is passed over.
    """

    data_step: int
    row: int
    update: int | None


@dataclass(frozen=True, eq=False)
class _Stretch:
    """Data steps under the same weights: blocks of one pattern, one after the other.

    Attributes:
        first: Its first data step.
        before: int64[sources], the windows drawn of each source before it.
        counts: int64[sources], the windows of each source in a block.
        source: int64[block], the source of each slot.
        rank: int64[block], how many slots of the same source come before.
    """

    first: int
    before: NDArray[np.int64]
    counts: NDArray[np.int64]
    source: NDArray[np.int64]
    rank: NDArray[np.int64]

    @classmethod
    def of(cls, first: int, before: NDArray[np.int64], counts: NDArray[np.int64]) -> _Stretch:
        source = np.repeat(np.arange(len(counts)), counts)
        ends = np.cumsum(counts)
        rank = np.arange(len(source)) - (ends - counts)[source]
        # The j-th of c slots belongs at (2j + 1) / 2c of the block: any rows in a row hold sources in proportion.
        slots = np.lexsort((source, (2 * rank + 1) / (2 * counts[source])))
        return cls(first, before, counts, source[slots], rank[slots])

    def drawn(self, rows: int) -> NDArray[np.int64]:
        """int64[sources], the windows drawn of each source before this many rows of the stretch, all told."""
        blocks, rest = divmod(rows, len(self.source))
        return self.before + blocks * self.counts + np.bincount(self.source[:rest], minlength=len(self.counts))

    def row_of(self, source: int, ordinal: int) -> int:
        """The row of the stretch that draws this source for the ordinal-th time, all told."""
        block, rank = divmod(ordinal - int(self.before[source]), int(self.counts[source]))
        return block * len(self.source) + int(np.flatnonzero(self.source == source)[rank])


class WindowOrder:
    """The batches of a run.

    Args:
        windows: Source -> how many windows it has, in the corpus's order.
        seed: The run's.
        batch: Rows of a batch.
        segments: At least one; their updates ascend from 0.

    Raises:
        RecipeError: A segment is out of order, or its weights name a source that has no window.
    """

    def __init__(self, windows: Mapping[str, int], seed: int, batch: int, segments: Sequence[Segment]) -> None:
        self.sources, self.batch_size = tuple(windows), batch
        self._seed, self._windows = seed, np.array([*windows.values()], np.int64)
        self._segments = tuple(segments)
        _check(self._segments)
        self._skipped = np.cumsum([segment.skip for segment in segments]).tolist()
        self._stretches: list[_Stretch] = []
        for number, segment in enumerate(segments):
            if segment.weights or number == 0:
                weights = segment.weights or dict(windows)
                self._append(segment.update + self._skipped[number] if number else 0, weights, number)
        # A run draws of few epochs at a time.
        self._permutation = functools.lru_cache(maxsize=4 * len(windows))(self._permutation_of)

    def _append(self, first: int, weights: Mapping[str, int], number: int) -> None:
        counts = np.array(self._block(weights, f"segment {number + 1}"), np.int64)
        before = np.zeros(len(counts), np.int64)
        if self._stretches:
            last = self._stretches[-1]
            before = last.drawn((first - last.first) * self.batch_size)
        self._stretches.append(_Stretch.of(first, before, counts))

    def _block(self, weights: Mapping[str, int], where: str) -> list[int]:
        known = dict(zip(self.sources, self._windows.tolist(), strict=True))
        for name, weight in weights.items():
            if name not in known:
                raise RecipeError(
                    f"the corpus has no source {name}",
                    where=f"{where}, weights",
                    remedy=f"choose of: {', '.join(known)}",
                )
            if weight < 0 or (weight and not known[name]):
                problem = "is negative" if weight < 0 else "is given, and the source has not one whole window"
                raise RecipeError(
                    f"the weight of {name} {problem}", where=f"{where}, weights", remedy="set it to 0"
                )
        quotas = proportional_quotas(weights, BLOCK)
        starved = [name for name, weight in weights.items() if weight and not quotas[name]]
        if starved or not any(quotas.values()):
            raise RecipeError(
                f"of {starved[0]} not one window in {BLOCK:,} would be drawn" if starved else "nothing is drawn",
                where=f"{where}, weights",
                remedy="give it more weight, or none"
                if starved
                else "give a source a weight, or a shorter sequence",
            )
        return [quotas.get(name, 0) for name in self.sources]

    def data_step(self, update: int) -> int:
        """The batch that is trained on when so many updates are done."""
        number = bisect_right(self._segments, update, key=lambda segment: segment.update) - 1
        return update + int(self._skipped[number])

    def update(self, data_step: int) -> int | None:
        """The updates done before this batch is trained on; None where it is passed over."""
        for segment, skipped in zip(reversed(self._segments), reversed(self._skipped), strict=True):
            if data_step >= segment.update + skipped:
                return data_step - int(skipped)
            if data_step >= segment.update + skipped - segment.skip:
                return None
        return None

    def batch(self, data_step: int, first: int = 0, end: int | None = None) -> WindowIds:
        """The windows of a batch, or of its rows from `first` to `end`; any batch costs the same."""
        stretch = self._stretches[bisect_right(self._stretches, data_step, key=lambda each: each.first) - 1]
        start = (data_step - stretch.first) * self.batch_size
        rows = np.arange(start + first, start + (self.batch_size if end is None else end))
        block, slot = np.divmod(rows, len(stretch.source))
        source = stretch.source[slot]
        ordinal = stretch.before[source] + block * stretch.counts[source] + stretch.rank[slot]
        epoch, place = np.divmod(ordinal, self._windows[source])
        pairs, which = np.unique(epoch * len(self.sources) + source, return_inverse=True)
        permutations = [self._permutation(*divmod(pair, len(self.sources))) for pair in pairs.tolist()]
        window = Permutation.forward_each(permutations, which, place.astype(np.uint64))
        return WindowIds(source, epoch, window.astype(np.int64))

    def drawn(self, data_step: int) -> dict[str, int]:
        """Source -> its windows in all batches before this one, those passed over too."""
        stretch = self._stretches[bisect_right(self._stretches, data_step, key=lambda each: each.first) - 1]
        counts = stretch.drawn((data_step - stretch.first) * self.batch_size)
        return dict(zip(self.sources, counts.tolist(), strict=True))

    def find(self, source: str, epoch: int, window: int) -> Place | None:
        """Where a window is drawn in an epoch of its source; None where the source is no longer drawn by then."""
        number = self.sources.index(source)
        place = self._permutation(epoch, number).inverse(np.array([window], np.uint64))
        ordinal = epoch * int(self._windows[number]) + int(place[0])
        reached = [int(stretch.before[number]) for stretch in self._stretches]
        # Of stretches that begin at the same count all but the last draw nothing of this source.
        stretch = self._stretches[bisect_right(reached, ordinal) - 1]
        if not stretch.counts[number]:
            return None
        data_step, row = divmod(stretch.row_of(number, ordinal), self.batch_size)
        data_step += stretch.first
        return Place(data_step, row, self.update(data_step))

    def _permutation_of(self, epoch: int, source: int) -> Permutation:
        key = derive_key(self._seed, f"windows/{self.sources[source]}/{epoch}")
        return Permutation(int(self._windows[source]), key)


def _check(segments: Sequence[Segment]) -> None:
    updates = [segment.update for segment in segments]
    if not segments or updates[0] != 0 or any(a >= b for a, b in itertools.pairwise(updates)):
        raise RecipeError(
            "the segments do not follow each other",
            where=f"segment, updates {updates}",
            remedy="let the first begin at update 0 and each at a later one than the last",
        )
    for segment in segments:
        if segment.skip < 0:
            raise RecipeError(
                f"a segment passes over {segment.skip} batches",
                where=f"segment of update {segment.update}, skip",
                remedy="give a number of batches, 0 or more",
            )
