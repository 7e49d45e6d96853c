"""Pins: the sha256 of every input file, taken before anything is read, where no lock file gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from corpus.document import Texts
from corpus.part import blob_digest, read_part
from corpus.source import Blob, blob_url
from pipelines.stage import Output, Sealed


@dataclass(frozen=True)
class PinJob:
    """The files to hash, and which of them each task takes."""

    data: str
    blobs: tuple[Blob, ...]
    tasks: tuple[tuple[int, ...], ...]


def pin_map(job: PinJob, number: int, output: Output) -> None:
    """Hashes a group of files: one row each."""
    blobs = [job.blobs[index] for index in job.tasks[number]]
    digests = []
    for blob in blobs:
        digest, size = blob_digest(blob_url(job.data, blob))
        digests.append(digest.encode())
        output.tick(size, 0)
    paths = Texts.from_list([f"{blob.input}/{blob.path}".encode() for blob in blobs])
    output.write("pins.arrow", {"path": paths, "sha256": Texts.from_list(digests)})


def pinned(blobs: Sequence[Blob], stage: Sealed) -> tuple[Blob, ...]:
    """The files with the digests that the stage took."""
    digests: dict[str, str] = {}
    for url in stage.urls("pins.arrow"):
        for columns in read_part(url):
            digests |= {
                path.decode(): sha.decode() for path, sha in zip(columns["path"], columns["sha256"], strict=True)
            }
    return tuple(msgspec.structs.replace(blob, sha256=digests[f"{blob.input}/{blob.path}"]) for blob in blobs)
