"""Pieces of documents that a report may show: from the store, or from the raw files where no text was kept."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from corpus.manifest import Manifest
from pipelines.auditing.raw_records import read_raw
from pipelines.steps.blocks import Blocks

EXCERPT_CHARACTERS = 240  # unpublished: our choice; below what a page's cell takes
# Told by form alone: enough that nobody's address is spread by a report, no promise that nothing personal is left.
_PERSONAL = (
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "[e-mail]"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"), "[IP address]"),
    (re.compile(r"(?<![\w.])\+?\(?\d{2,4}\)?(?:[ .-]\(?\d{2,4}\)?){2,4}(?![\w.])"), "[telephone]"),
)

Address = tuple[int, int]


def redacted(text: str) -> str:
    """A text without what looks like an e-mail address, a telephone or an IP number."""
    for pattern, instead in _PERSONAL:
        text = pattern.sub(instead, text)
    return text


def excerpt(text: bytes) -> str:
    """The beginning of a text, redacted."""
    read = 8 * EXCERPT_CHARACTERS
    shown = redacted(" ".join(text[:read].decode("utf-8", "replace").split()))
    whole = len(shown) <= EXCERPT_CHARACTERS and len(text) <= read
    return shown if whole else f"{shown[:EXCERPT_CHARACTERS]}…"


def parting(one: bytes, other: bytes) -> tuple[str, str]:
    """Both texts from a little before they part."""
    length = min(len(one), len(other))
    ends = np.frombuffer(one, np.uint8, length) != np.frombuffer(other, np.uint8, length)
    first = max(0, (int(np.argmax(ends)) if ends.any() else length) - 60)
    lead = "… " if first else ""
    return lead + excerpt(one[first:]), lead + excerpt(other[first:])


def texts(blocks: Blocks, wanted: Iterable[Address]) -> dict[Address, bytes]:
    """The normalised texts at (block, row); those that a rule refused have none in the store."""
    by_block: defaultdict[int, set[int]] = defaultdict(set)
    for block, row in wanted:
        by_block[block].add(row)
    found: dict[Address, bytes] = {}
    for block, rows in sorted(by_block.items()):
        for numbers, batch in blocks.read_text(block):
            for place in np.flatnonzero(np.isin(numbers, list(rows))).tolist():
                found[block, int(numbers[place])] = batch[place]
    return found


def documents(blocks: Blocks, wanted: Iterable[str]) -> dict[str, bytes]:
    """The normalised texts of documents by their ids, 32 hex digits; likewise."""
    ids = np.frombuffer(bytes.fromhex("".join(wanted)), "V16")
    places: dict[str, Address] = {}
    for block in range(len(blocks.rows) if len(ids) else 0):
        found = np.ascontiguousarray(blocks.read_rows(block, ["doc_id"])["doc_id"]).view("V16").ravel()
        places |= {found[row].tobytes().hex(): (block, int(row)) for row in np.flatnonzero(np.isin(found, ids))}
    stored = texts(blocks, places.values())
    return {doc_id: stored[place] for doc_id, place in places.items() if place in stored}


def records(manifest: Manifest, data: str, wanted: Iterable[tuple[int, int]]) -> Mapping[tuple[int, int], bytes]:
    """Raw records by (file, record), each file read once from its start up to the last that is wanted."""
    by_file: defaultdict[int, set[int]] = defaultdict(set)
    for blob, record in wanted:
        by_file[blob].add(record)
    found: dict[tuple[int, int], bytes] = {}
    for blob, numbers in sorted(by_file.items()):
        read = read_raw(manifest, data, manifest.blobs[blob].path, numbers)
        found |= {(blob, number): raw for number, raw in read.items()}
    return found
