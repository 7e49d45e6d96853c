"""Tokens that nobody could choose: drawn by a seed over a whole corpus, each as likely as any other."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from itertools import accumulate

from corpus.manifest import Manifest


def addresses(manifest: Manifest, seed: str, count: int) -> list[str]:
    """Addresses `<shard>:<token>` drawn with replacement from all shards.

    The n-th draw is sha256 of "tokentrail/sample/1", the corpus's digest, the seed and n, as a 256-bit number
    modulo the corpus's tokens: who names the seed after the seal knows that the corpus was not made for the draw.

    Args:
        seed: Any text.
        count: How many.
    """
    ends = list(accumulate(shard.tokens for shard in manifest.shards))
    if not ends or not ends[-1]:
        return []
    digest = manifest.digest()
    drawn = []
    for number in range(count):
        message = f"tokentrail/sample/1\n{digest}\n{seed}\n{number}\n".encode()
        place = int.from_bytes(hashlib.sha256(message).digest(), "big") % ends[-1]
        shard = bisect_right(ends, place)
        first = ends[shard - 1] if shard else 0
        drawn.append(f"{manifest.shards[shard].name}:{place - first}")
    return drawn
