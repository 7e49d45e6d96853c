"""What a drawn corpus is like: lengths, copies, near-duplicates and threads, as a sealed corpus has them.

    python workflows/soak/likeness.py build/refs/sample/1.0.0 --data data/sample

Writes likeness.json beside this file, of which `textless.py` draws. The corpus must have an input of Reddit's
dumps and others whose records are documents by themselves.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from corpus.drops import Drop
from corpus.manifest import Manifest, load_manifest, read_ref
from corpus.part import read_part
from corpus.provenance import Ledger
from corpus.readers.reddit import COMMENT, Posts, parse
from corpus.source import Blob
from corpus.table import Columns, concat, take
from pipelines.steps.duplicates import COMPARED
from pipelines.steps.reading import read_blob, read_line_batches

LIKENESS = Path(__file__).with_suffix(".json")
_LEDGER = ("doc_id", "source", "drop", "winner", "text_bytes", "words")


class Likeness(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Distributions measured on a sealed corpus; percentiles are 101 values, from the least to the largest.

    Attributes:
        over: The corpus.
        documents: Of files whose records are documents by themselves.
        text_bytes: Percentiles of their normalised texts.
        words: In 1,000 bytes of text.
        tokens: In 1,000 bytes of text.
        copies: How many documents have one text -> how many such texts, of more than one.
        families: How many different texts are joined by candidate pairs -> how many such families.
        jaccard: Jaccard in percent -> candidate pairs, as the build measured them.
        threads: Of Reddit.
        comments: Percentiles of a thread's comments.
        top: Comments in 1,000 that answer the submission, the first of a thread apart.
        newest: Of the others, those in 1,000 that answer the comment before them.
        dead: Comments in 1,000 that were deleted.
        chars: Percentiles of a live comment's characters.
        comment_bytes: Of a comment's line, without its text.
        packed: Bytes of a dump on disk, a comment.
        chains: Mean comments of a document, in thousandths: what drawn threads are to come near.
    """

    over: str
    documents: int
    text_bytes: tuple[int, ...]
    words: int
    tokens: int
    copies: dict[int, int]
    families: dict[int, int]
    jaccard: dict[int, int]
    threads: int
    comments: tuple[int, ...]
    top: int
    newest: int
    dead: int
    chars: tuple[int, ...]
    comment_bytes: int
    packed: int
    chains: int


def load_likeness() -> Likeness:
    """The one that was measured."""
    return msgspec.json.decode(LIKENESS.read_bytes(), type=Likeness)


def measure(ref: str, data: str) -> Likeness:
    """Looks at the ledger of a sealed corpus, at its candidates, and at its dumps."""
    store, digest = read_ref(ref)
    manifest = load_manifest(store, digest)
    rows = concat(part for _, part in Ledger.sealed_in(store, manifest).read(_LEDGER))
    dumps = next(entry for entry in manifest.recipe.input if entry.reader == "reddit")
    chained = [source.name for source in manifest.recipe.source].index(next(iter(dumps.sources.values())))
    live = np.isin(rows["drop"], (Drop.KEPT, Drop.EXACT_DUPLICATE, Drop.NEAR_DUPLICATE))
    alone = take(rows, live & (rows["source"] != chained))
    text = int(rows["text_bytes"][rows["drop"] == Drop.KEPT].sum())
    compared = manifest.stage("evidence").counts
    threads = manifest.stage("threads").counts
    return Likeness(
        over=f"{manifest.name}@{manifest.version}",
        documents=len(alone["drop"]),
        text_bytes=_percentiles(alone["text_bytes"]),
        words=1000 * int(alone["words"].sum()) // int(alone["text_bytes"].sum()),
        tokens=1000 * sum(shard.tokens for shard in manifest.shards) // text,
        copies=_sizes(1 + count for count in _copies(alone).values()),
        families=_families(store, manifest),
        jaccard={int(key[len(COMPARED) :]): n for key, n in compared.items() if key.startswith(COMPARED)},
        threads=threads[f"chains/{dumps.name}/threads"],
        chains=1000 * threads[f"chains/{dumps.name}/chosen"] // threads[f"chains/{dumps.name}/threads"],
        **_dumps(data, [Blob(b.input, b.path, b.size, b.sha256) for b in manifest.blobs if b.input == dumps.name]),
    )


def _copies(rows: Columns) -> Counter[bytes]:
    """How many documents lost to each that has their text."""
    return Counter(winner.tobytes() for winner in rows["winner"][rows["drop"] == Drop.EXACT_DUPLICATE])


def _families(store: str, manifest: Manifest) -> dict[int, int]:
    """The sizes of what candidate pairs join, and how many are of each."""
    folder = Path(manifest.stage_folder(store, "candidates"))
    pairs = concat(table for path in sorted(folder.glob("*pairs.arrow")) for table in read_part(str(path)))
    ends = [pairs[f"{side}_block"].astype(np.int64) << 32 | pairs[f"{side}_row"] for side in ("a", "b")]
    nodes, member = np.unique(np.concatenate(ends), return_inverse=True)
    edges = coo_array((np.ones(len(ends[0])), np.split(member, 2)), shape=(len(nodes), len(nodes)))
    return _sizes(np.bincount(connected_components(edges)[1]).tolist())


def _dumps(data: str, blobs: list[Blob]) -> dict[str, Any]:
    """What threads are like, comments in the order of the files."""
    posts, sizes = zip(*_posts(data, blobs), strict=True)
    columns = {
        name: np.concatenate([getattr(some, name) for some in posts])
        for name in Posts.__annotations__
        if name != "text"
    }
    raw, comments = np.concatenate(sizes), np.flatnonzero(columns["kind"] == COMMENT)
    columns = take(columns, comments)
    order = np.argsort(columns["thread"], kind="stable")
    columns, raw = take(columns, order), raw[comments][order]
    same = np.flatnonzero(columns["thread"][1:] == columns["thread"][:-1]) + 1
    answers = columns["parent_kind"][same] == COMMENT
    newest = columns["parent"][same] == columns["id"][same - 1]
    return {
        "comments": _percentiles(np.unique(columns["thread"], return_counts=True)[1]),
        "top": int(1000 * (~answers).mean()),
        "newest": int(1000 * newest[answers].mean()),
        "dead": int(1000 * (columns["live"] == 0).mean()),
        "chars": _percentiles(columns["chars"][columns["live"] > 0]),
        "comment_bytes": int(raw.sum() - columns["chars"].sum()) // len(raw),
        "packed": sum(blob.size for blob in blobs) // len(raw),
    }


def _posts(data: str, blobs: list[Blob]) -> Iterator[tuple[Posts, NDArray[np.int64]]]:
    """The posts of every dump, a batch at a time, and the bytes of their lines."""
    found: list[tuple[Posts, NDArray[np.int64]]] = []
    for blob in blobs:
        read_blob(
            data,
            blob,
            "stop",
            lambda chunks: found.extend(
                (parse(lines), lines.raw_bytes) for lines in read_line_batches(chunks, 1 << 26)
            ),
        )
    return iter(found)


def _percentiles(values: NDArray[Any]) -> tuple[int, ...]:
    return tuple(int(value) for value in np.percentile(values, range(101), method="lower"))


def _sizes(sizes: Iterable[int]) -> dict[int, int]:
    return dict(sorted(Counter(sizes).items()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ref", help="a sealed corpus: <store>/refs/<name>/<version>")
    parser.add_argument("--data", required=True, help="the folder of its raw files")
    options = parser.parse_args()
    found = msgspec.json.format(msgspec.json.encode(measure(options.ref, options.data)), indent=1)
    LIKENESS.write_bytes(found + b"\n")
    print(found.decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
