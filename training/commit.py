"""`COMMIT.json`: what vouches for a checkpoint. One without it, or with a damaged one, does not exist.

It is written last, when every process has said what it wrote: each file's size and sha256, taken while it was
written. It is written whole or not at all, in the one form its content has, and holds its own digest. So a reader
finds every change to the files, to their names, and to itself; nothing of a checkpoint is opened before.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import rfc8785

from corpus import storage
from corpus.errors import IntegrityError, RecipeError
from training.config import RunConfig

COMMIT_FORMAT: Final = 1

FILE: Final = "COMMIT.json"
FOLDER: Final = "checkpoints"

_NAME: Final = re.compile(r"(\d{8,})-(\d{4,})")


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of a checkpoint: its size in bytes, and its sha256 in 64 hex digits."""

    size: int
    sha256: str


class TensorEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tensor of a checkpoint: its shape as a whole, and its dtype, for instance "float32"."""

    shape: tuple[int, ...]
    dtype: str


class Commit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a checkpoint is.

    There is no state of a random generator: all that is drawn is drawn by (seed, update, place).

    Attributes:
        format: Of this file and those beside it.
        step: Updates done.
        attempt: Which start of the run did them.
        data_step: The batch that comes next.
        tokens: Trained on so far.
        window_order: The version of corpus/window_order.py that said which batches these were.
        world_size: Processes that wrote it; any number of them reads it.
        mesh: Axis -> size, where there was one.
        corpus_digest: Of the manifest trained on.
        config: Every key, as the run had it.
        tensors: Name -> shape and dtype: weights below "model.", moments below "optimiser.".
        files: Name -> size and digest: all there is in the folder but this file.
    """

    format: int = COMMIT_FORMAT
    step: int
    attempt: int
    data_step: int
    tokens: int
    window_order: int
    world_size: int
    mesh: dict[str, int]
    corpus_digest: str
    config: RunConfig
    tensors: dict[str, TensorEntry]
    files: dict[str, FileEntry]


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose commit could be read.

    Attributes:
        folder: Where it lies.
        commit: What it says it is.
    """

    folder: Path
    commit: Commit


def folder_name(step: int, attempt: int) -> str:
    """The name of a checkpoint's folder: no two saves of a run share one, so none overwrites another."""
    return f"{step:08d}-{attempt:04d}"


def list_folders(run_dir: str) -> list[Path]:
    """The folders of a run's checkpoints, whole or not, the last written first."""
    found = []
    for path in Path(run_dir, FOLDER).glob("*-*"):
        if (name := _NAME.fullmatch(path.name)) and path.is_dir():
            found.append((int(name[2]), int(name[1]), path))
    return [path for _, _, path in sorted(found, reverse=True)]


def publish_commit(folder: Path, commit: Commit) -> None:
    """Makes a checkpoint of a folder.

    Raises:
        IntegrityError: It is one already.
        StoreError: The disk is full or cannot be written.
    """
    body = msgspec.to_builtins(commit)
    if not storage.publish(str(folder / FILE), _render(body)):
        raise IntegrityError(
            "two processes save the same step of one run",
            where=str(folder),
            remedy="let one process, or one group of them, train in a folder",
        )


def _render(body: Mapping[str, Any]) -> bytes:
    """The only bytes that say this."""
    digest = hashlib.sha256(rfc8785.dumps(body)).hexdigest()
    return msgspec.json.format(rfc8785.dumps({"commit": body, "sha256": digest}), indent=1) + b"\n"


def read_commit(folder: Path) -> Checkpoint:
    """Reads what a checkpoint says of itself; its files are not looked at (`find_fault`).

    Raises:
        IntegrityError: There is no commit, it is damaged, or it is of another folder.
        RecipeError: It is of a newer format.
    """
    path = folder / FILE
    try:
        data = path.read_bytes()
        body = msgspec.json.decode(data)["commit"]
        whole = data == _render(body)
    except (OSError, msgspec.MsgspecError, ValueError, LookupError, TypeError):
        whole = False
    if not whole:
        raise _damaged(f"{FILE} is missing or not as it was written", path)
    if body.get("format", 0) > COMMIT_FORMAT:
        raise RecipeError(
            f"the checkpoint is of format {body['format']}, and this release reads up to {COMMIT_FORMAT}",
            where=str(path),
            remedy="go on with the release that wrote it, or a newer one",
        )
    try:
        commit = msgspec.convert(body, Commit)
    except msgspec.ValidationError as error:
        raise _damaged(f"{FILE} is whole, and no commit: {error}", path) from error
    if folder.name != folder_name(commit.step, commit.attempt):
        raise _damaged(f"{FILE} is that of {folder_name(commit.step, commit.attempt)}", path)
    return Checkpoint(folder, commit)


def _damaged(what: str, path: Path) -> IntegrityError:
    return IntegrityError(what, where=str(path), remedy="restore the folder from a copy, or move it elsewhere")


def find_fault(checkpoint: Checkpoint, part: int = 0, parts: int = 1) -> str:
    """What is wrong with a checkpoint's files, in a few words; empty where they are as they were written.

    Args:
        part: Names and sizes are checked by all, the bytes of every `parts`-th file, from this one on, by each.
        parts: How many share the reading.
    """
    files = checkpoint.commit.files
    try:
        sizes = {path.name: path.lstat().st_size for path in checkpoint.folder.iterdir() if path.name != FILE}
        for name in sorted({*files, *sizes}):
            if name not in sizes:
                return f"{name} is missing"
            if name not in files:
                return f"{name} is no file of it"
            if sizes[name] != files[name].size:
                return f"{name} has {sizes[name]:,} bytes, not {files[name].size:,}"
        for name in sorted(files)[part::parts]:
            with open(checkpoint.folder / name, "rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != files[name].sha256:
                    return f"{name} has other bytes than were written"
    except OSError as error:
        return f"{error.filename} cannot be read: {error.strerror}"
    return ""
