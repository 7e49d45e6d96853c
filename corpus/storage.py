"""Open and publish, wherever the bytes lie: a path, file://, gs:// or s3://.

The one seam to fsspec. Publishing is atomic and never overwrites: a reader sees the whole file or none, and of
two writers of one name the first wins.
"""

from __future__ import annotations

import errno
import os
import posixpath
import secrets
from pathlib import Path
from typing import IO, cast

import fsspec

from corpus.errors import SourceError, StoreError


def is_local(url: str) -> bool:
    """Whether the URL is a path of this machine."""
    return "://" not in url or url.startswith("file://")


def local_path(url: str) -> Path:
    """The path of a local URL."""
    return Path(url.removeprefix("file://"))


def join(root: str, *names: str) -> str:
    """A URL below another, whatever the scheme."""
    return posixpath.join(root, *names)


def open_input(url: str) -> IO[bytes]:
    """Opens an input for reading.

    Raises:
        SourceError: It is missing or may not be read.
    """
    try:
        if is_local(url):
            return open(local_path(url), "rb")
        return cast("IO[bytes]", fsspec.open(url, "rb").open())
    except OSError as error:
        raise SourceError(
            f"cannot open the file: {error.strerror or error}",
            where=url,
            remedy="check that the file is there and readable, and that --data names its folder",
        ) from error


def publish(url: str, data: bytes) -> bool:
    """Writes a new file whole, and says whether it was this call that created it.

    The bytes are on disk before the name is: written aside, synced, then linked to the name, which fails when
    the name exists. Nothing is ever overwritten.

    Raises:
        StoreError: The disk is full or the folder cannot be written.
    """
    if not is_local(url):
        return _publish_remote(url, data)
    path = local_path(url)
    aside = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(aside, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)
    except FileExistsError:
        return False
    except OSError as error:
        raise _unwritable(url, error) from error
    finally:
        aside.unlink(missing_ok=True)
    return True


def _publish_remote(url: str, data: bytes) -> bool:
    filesystem, path = fsspec.core.url_to_fs(url)
    try:
        filesystem.pipe_file(path, data, mode="create")
    except FileExistsError:
        return False
    except OSError as error:
        raise _unwritable(url, error) from error
    return True


def _unwritable(url: str, error: OSError) -> StoreError:
    remedy = "choose a folder you may write to with --out"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        remedy = "free some space and start the same command again: what is sealed is kept"
    return StoreError(f"cannot write to the store: {error.strerror or error}", where=url, remedy=remedy)


def read_bytes(url: str) -> bytes:
    """A whole small file.

    Raises:
        FileNotFoundError: It is not there.
    """
    if is_local(url):
        return local_path(url).read_bytes()
    filesystem, path = fsspec.core.url_to_fs(url)
    return cast(bytes, filesystem.cat_file(path))


def list_files(url: str) -> list[str]:
    """The files below a folder, as sorted paths relative to it; an absent folder holds none."""
    if is_local(url):
        root = local_path(url)
        return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()) if root.is_dir() else []
    filesystem, path = fsspec.core.url_to_fs(url)
    root_path = path.rstrip("/") + "/"
    return sorted(p.removeprefix(root_path) for p in filesystem.find(path))
