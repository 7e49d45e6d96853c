"""Which checkpoints of a run stay; only what the run wrote is ever removed."""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from corpus import storage
from corpus.errors import StoreError, TokentrailError
from training.commit import FILE, FOLDER, Checkpoint, list_folders, read_commit
from training.config import Checkpoints

# What a save writes before its commit. Source: torch.distributed.checkpoint.filesystem.
_TORN: Final = re.compile(r"__\d+_\d+\.distcp|\.metadata(\.tmp)?")


def hold(run_dir: str) -> IO[bytes]:
    """Takes the folder of a run for this process, until the file that is returned is closed, or the process dies.

    Raises:
        StoreError: Another process has it, or it cannot be written.
    """
    path = Path(run_dir, FOLDER, ".lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "ab")  # noqa: SIM115 (the caller's)
    except OSError as error:
        raise StoreError(
            f"cannot write to the folder of checkpoints: {os.strerror(error.errno or 0)}",
            where=str(path),
            remedy="free some space, or name a folder you may write to with --run-dir",
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise StoreError(
            "another process trains in this folder",
            where=run_dir,
            remedy="wait until it has ended, or name another --run-dir",
        ) from error
    return file


def prune(run_dir: str, start: tuple[int, int], checkpoints: Checkpoints) -> None:
    """Removes what is no longer kept, after a save.

    Args:
        run_dir: Of the run.
        start: The attempt that goes on, and the updates done when it began. What earlier attempts saved of later
            ones it passed over, for it was damaged: that stays, and is not counted.
        checkpoints: What stays.
    """
    attempt, done = start
    found = [each for each in _committed(run_dir) if each.commit.attempt == attempt or each.commit.step <= done]
    for checkpoint in found[checkpoints.keep :]:
        if not checkpoints.keep_every or checkpoint.commit.step % checkpoints.keep_every:
            _remove(checkpoint.folder, sorted(checkpoint.commit.files))


def remove_torn(run_dir: str) -> None:
    """Removes what saves left that were cut short."""
    for folder in list_folders(run_dir):
        if not (folder / FILE).exists():
            names = [path.name for path in folder.iterdir()]
            _remove(folder, [name for name in names if _TORN.fullmatch(name) or storage.is_aside(name)])


def _committed(run_dir: str) -> list[Checkpoint]:
    found = []
    for folder in list_folders(run_dir):
        with suppress(TokentrailError):  # what cannot be read is not ours to judge
            found.append(read_commit(folder))
    return found


def _remove(folder: Path, names: list[str]) -> None:
    """The commit first: what is half removed is no checkpoint."""
    for name in [FILE, *names]:
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):  # somebody else's file lies there
        folder.rmdir()
