"""A sealed corpus on this machine, opened by its ref: what reads tokens begins here."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from corpus import storage
from corpus.errors import IntegrityError, RecipeError, SourceError
from corpus.manifest import Manifest, ShardEntry, load_manifest, read_ref, split_ref
from corpus.order import derive_key
from corpus.shard import ShardFacts, verify_shard

How = Literal["full", "sample", "off"]


@dataclass(frozen=True, eq=False)
class MappedCorpus:
    """A sealed corpus on this machine.

    Attributes:
        ref: The name it was opened by.
        digest: Its identity.
        manifest: What it holds.
        store: Where it was built.
        folder: Where its shards lie.
    """

    ref: str
    digest: str
    manifest: Manifest
    store: str
    folder: str

    @classmethod
    def open(cls, ref: str) -> MappedCorpus:
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
        return cls(ref, digest, manifest, store, manifest.stage_folder(store, "shards"))

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

    def verify(self, how: How, split: str = "") -> int:
        """Reads shards to their last byte; gives how many. To be done once a host, before anything is spent.

        Args:
            how: "full": all; "sample": one of each source and split; "off": none. The index of every shard, and
                the size of its tokens, are checked when it is opened in any case.
            split: "train" or "valid" alone, or "" for both.

        Raises:
            IntegrityError: A byte is not what was sealed.
        """
        chosen = {"full": self.manifest.shards, "sample": tuple(self._sample()), "off": ()}[how]
        shards = [shard for shard in chosen if split in ("", shard.split)]
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
