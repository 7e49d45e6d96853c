"""A sealed corpus as windows of tokens: mapped into memory, gathered row by row, never copied elsewhere.

The shards of a source and split, end to end, are cut into windows of one token more than a sequence: each token of
a window but its last predicts the next. What is left at the end of a source is its tail, which no window holds.
Nothing here knows an order: that is corpus/window_order.py's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from corpus import storage
from corpus.errors import IntegrityError, RecipeError, SourceError
from corpus.manifest import Manifest, ShardEntry, load_manifest, read_ref, split_ref
from corpus.order import derive_key
from corpus.shard import Shard, ShardFacts, verify_shard
from corpus.window_order import WindowIds

Split = Literal["train", "valid"]
How = Literal["full", "sample", "off"]


@dataclass(frozen=True, eq=False)
class Corpus:
    """A sealed corpus on this machine.

    Attributes:
        ref: The name it was opened by.
        digest: Its identity.
        manifest: What it holds.
        folder: Where its shards lie.
    """

    ref: str
    digest: str
    manifest: Manifest
    folder: str

    @classmethod
    def open(cls, ref: str) -> Corpus:
        """Opens a corpus by its ref, for instance build/refs/sample/1.0.0.

        Raises:
            SourceError: There is none, or it does not lie on this machine.
            IntegrityError: The manifest is not the one of its digest, or not of this name.
        """
        if not storage.is_local(ref):
            raise SourceError(
                "a run maps its corpus into memory, and this one lies in an object store",
                where=ref,
                remedy="copy the store to a disk that every host sees",
            )
        store, digest = read_ref(ref)
        manifest = load_manifest(store, digest)
        _, name, version = split_ref(ref)
        if (manifest.name, manifest.version) != (name, version):
            raise IntegrityError(
                f"the ref names another corpus, {manifest.name}@{manifest.version}",
                where=ref,
                remedy="restore the ref: the history names the digest",
            )
        return cls(ref, digest, manifest, manifest.stage_folder(store, "shards"))

    def stem(self, shard: ShardEntry) -> str:
        """A shard's path without its suffix."""
        return storage.join(self.folder, shard.name)

    def check_vocabulary(self, rows: int) -> None:
        """Raises RecipeError where the embedding has fewer rows than the vocabulary has ids."""
        size = int(self.manifest.vocabulary["size"])
        if size > rows:
            raise RecipeError(
                f"the corpus has {size:,} ids, the model's embedding {rows:,} rows",
                where="model.vocabulary",
                remedy=f"give at least {size:,}; {self.manifest.vocabulary['padded_size']:,} divides by 8",
            )

    def verify(self, how: How) -> int:
        """Reads shards to their last byte; gives how many. To be done once a host, before anything is spent.

        Args:
            how: "full": all; "sample": one of each source and split; "off": none. The index of every shard, and
                the size of its tokens, are checked when it is opened in any case.

        Raises:
            IntegrityError: A byte is not what was sealed.
        """
        shards = list(self.manifest.shards) if how == "full" else list(self._sample()) if how == "sample" else []
        sizes = storage.list_sizes(self.folder) if shards else {}

        def check(shard: ShardEntry) -> None:
            facts = ShardFacts(
                documents=shard.documents,
                tokens=shard.tokens,
                bin_bytes=2 * shard.tokens,
                bin_sha256=shard.bin_sha256,
                idx_bytes=sizes.get(f"{shard.name}.idx", 0),
                idx_sha256=shard.idx_sha256,
            )
            verify_shard(self.stem(shard), facts)

        with ThreadPoolExecutor() as pool:  # hashing leaves Python to other threads
            return sum(1 for _ in pool.map(check, shards))

    def _sample(self) -> Iterator[ShardEntry]:
        groups: dict[tuple[str, str], list[ShardEntry]] = {}
        for shard in self.manifest.shards:
            groups.setdefault((shard.source, shard.split), []).append(shard)
        for number, group in enumerate(groups.values()):
            yield group[derive_key(number, self.digest) % len(group)]


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

    def __init__(self, corpus: Corpus, split: Split, sequence: int) -> None:
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
