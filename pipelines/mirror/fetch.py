"""Fetches what is public of a recipe's sources into a folder, and says what was had and what was not."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from corpus import storage
from corpus.errors import FetchError, StoreError
from corpus.part import blob_digest
from corpus.recipe import Source
from corpus.source import Pins
from corpus.source_catalogue import Catalogue, FileAt
from pipelines.lease import lease
from pipelines.mirror.client import Client, Pace
from pipelines.mirror.download import download, mismatch
from pipelines.mirror.plan import amount, plan
from pipelines.mirror.receipts import Receipt, Receipts
from pipelines.progress import megabytes


def mirror(sources: Sequence[Source], catalogue: Catalogue, pins: Pins | None, folder: str, rate: int) -> None:
    """Fetches, one after another, the files that the catalogue knows to be public.

    Args:
        pins: The recipe's lock: the sizes and digests that are expected.
        rate: Bytes a second, 0 for no limit.

    Raises:
        FetchError: Not all could be had; what could be is there.
        StoreError: The folder cannot be written, or another process is filling it.
    """
    if not storage.is_local(folder):
        raise StoreError("a mirror is a folder of this machine", where=folder, remedy="name one with --mirror")
    with lease(folder, "mirror", "--mirror"), closing(Client(Pace(rate), _say)) as client:
        plans = plan(sources, catalogue, pins, client)
        files = [file for each in plans for file in each.files]
        failed = [error for each in plans for error in each.failed]
        print("\n".join(each.line() for each in plans))
        print(f"to {folder}: {amount(files)}", flush=True)
        try:
            here, had, failures = _fetch(files, storage.local_path(folder), client)
        except OSError as error:
            raise StoreError(
                f"cannot write to the folder: {error.strerror or error}",
                where=error.filename or folder,
                remedy="mend that (free some space?) and start the same command again: what has come is kept",
            ) from error
    failed += failures
    print(f"fetched: {len(had):,}, {megabytes(sum(had))}; here before: {len(here):,}, {megabytes(sum(here))}")
    if failed:
        print("\n".join(f"not fetched: {error.where}: {error.what}" for error in failed))
        raise FetchError(
            f"{len(failed):,} of what is public could not be fetched",
            where=failed[0].where,
            remedy="mend what is said above; the same command again fetches what is not yet here",
        )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _fetch(files: Sequence[FileAt], root: Path, client: Client) -> tuple[list[int], list[int], list[FetchError]]:
    """The sizes of the files that were here, and of those that came; and what failed."""
    here: list[int] = []
    had: list[int] = []
    failed: list[FetchError] = []
    receipts = Receipts(root)
    for number, file in enumerate(files, start=1):
        target = root / file.path
        there = target.exists()
        try:
            receipt = _found(file, target, receipts) if there else _fetched(file, target, client)
        except FetchError as error:
            _say(str(error))
            failed.append(error)
            continue
        receipts.add(receipt)
        (here if there else had).append(receipt.size)
        word = "here" if there else "had"
        _say(f"[{number}/{len(files)}] {word} {receipt.sha256[:16]} {megabytes(receipt.size):>9} {file.path}")
    return here, had, failed


def _fetched(file: FileAt, target: Path, client: Client) -> Receipt:
    fetched = download(file, target, client)
    return _receipt(file, target, fetched.sha256, fetched.validator)


def _found(file: FileAt, target: Path, receipts: Receipts) -> Receipt:
    """The receipt of a file that has its name already: hashed where it has none, or was touched since."""
    receipt = receipts.of(file.path, target.stat().st_size, storage.stamp(str(target)))
    if receipt is None:
        receipt = _receipt(file, target, blob_digest(str(target))[0], "")
    if wrong := mismatch(file, receipt.size, receipt.sha256):
        raise FetchError(wrong, where=str(target), remedy="move it away and start the same command again")
    return receipt


def _receipt(file: FileAt, target: Path, sha256: str, validator: str) -> Receipt:
    size, stamp = target.stat().st_size, storage.stamp(str(target))
    return Receipt(file.path, file.url, size, sha256, validator, f"{datetime.now(UTC):%Y-%m-%d}", stamp)
