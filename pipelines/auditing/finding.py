"""Which documents of a corpus have a text, or a URL: looked up as the build compares them, so exactly.

A text is normalised by the rules of each source and its digest looked up; the blocks hold the digest of every text
that no rule refused, duplicates among them. A URL is looked up in its canonical form among all that crawls knew.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from corpus.document import Texts, text_digest
from corpus.errors import SourceError
from corpus.manifest import Manifest
from corpus.normalise import normalise
from corpus.url import canonical_url
from pipelines.steps.blocks import Blocks


def find_text(store: str, manifest: Manifest, text: str) -> list[str]:
    """The ids of the documents of this text, in the order of the blocks.

    Raises:
        SourceError: There is none.
    """
    raw = Texts.from_list([text.encode("utf-8", "replace")])
    digests = [
        text_digest(normalise(raw, (s.text or manifest.recipe.text).normalise)[0]) for s in manifest.recipe.source
    ]
    wanted = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32)
    return _some(_with_text(Blocks.sealed_in(store, manifest), wanted), text, "text that any rule let pass")


def _with_text(blocks: Blocks, wanted: np.typing.NDArray[np.uint8]) -> Iterator[str]:
    for block in range(len(blocks.rows)):
        rows = blocks.read_rows(block, ["doc_id", "source", "text_digest"])
        # What could not be read belongs to no source: its digest is zeros, and no text's.
        mine = wanted[np.minimum(rows["source"], len(wanted) - 1)]
        for row in np.flatnonzero((rows["text_digest"] == mine).all(axis=1)).tolist():
            yield rows["doc_id"][row].tobytes().hex()


def find_url(store: str, manifest: Manifest, url: str) -> list[str]:
    """The ids of the documents of this URL, in the order of the blocks.

    Raises:
        SourceError: There is none.
    """
    return _some(_with_url(Blocks.sealed_in(store, manifest), canonical_url(url.encode())), url, "URL")


def _with_url(blocks: Blocks, wanted: bytes) -> Iterator[str]:
    for block in range(len(blocks.rows)):
        facts = blocks.read_facts(block, ["row", "url"])
        if not facts:
            continue
        found = [
            row
            for row, url in zip(facts["row"].tolist(), facts["url"], strict=True)
            if canonical_url(url) == wanted
        ]
        ids = blocks.read_rows(block, ["doc_id"])["doc_id"] if found else ()
        yield from (ids[row].tobytes().hex() for row in found)


def _some(found: Iterator[str], asked: str, what: str) -> list[str]:
    ids = list(dict.fromkeys(found))
    if not ids:
        raise SourceError(
            f"the corpus knows no document of this {what}",
            where=ascii(asked[:100]),
            remedy="ask for its record as <file>:<number>, which finds what was refused too",
        )
    return ids
