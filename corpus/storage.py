"""Open and publish, wherever the bytes lie: a path, file://, gs:// or s3://.

The one seam to fsspec. Publishing is atomic and never overwrites: a reader sees the whole file or none, and of
two writers of one name the first wins.
"""

from __future__ import annotations

import errno
import hashlib
import os
import posixpath
import secrets
import shutil
import tempfile
from contextlib import suppress
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
        return _link(aside, path)
    except OSError as error:
        raise _unwritable(url, error) from error
    finally:
        with suppress(OSError):  # where it could not be made, it cannot be removed
            aside.unlink()


def _link(aside: Path, path: Path) -> bool:
    """Gives a file its name unless the name is taken; says whether it did."""
    try:
        os.link(aside, path)
    except FileExistsError:
        return False
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


class NewFile:
    """A file being written: hashed as it grows, and under its name only when it is whole.

    Unlike `publish` it replaces a file of that name: tasks are pure, so a second attempt has the same bytes, and
    what an attempt left that no marker counts is worth nothing.
    """

    closed = False

    def __init__(self, url: str) -> None:
        self.url, self.size = url, 0
        self._digest = hashlib.sha256()
        try:
            if is_local(url):
                path = local_path(url)
                path.parent.mkdir(parents=True, exist_ok=True)
                self._aside = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
            else:
                self._aside = Path(tempfile.mkdtemp(prefix="tokentrail-")) / "aside"
            self._file = open(self._aside, "xb")  # noqa: SIM115 (published or discarded by name)
        except OSError as error:
            raise _unwritable(url, error) from error

    def write(self, data: bytes | memoryview) -> int:
        """Appends bytes and hashes them; gives the number of bytes taken."""
        view = memoryview(data)
        if view.nbytes == 0:
            return 0
        view = view.cast("B")
        try:
            self._file.write(view)
        except OSError as error:
            raise _unwritable(self.url, error) from error
        self._digest.update(view)
        self.size += len(view)
        return len(view)

    def flush(self) -> None:
        """Hands the bytes to the system."""
        self._file.flush()

    def close(self) -> None:
        """Does nothing: a file is published or discarded, by name."""

    def tell(self) -> int:
        """Bytes written so far."""
        return self.size

    def hexdigest(self) -> str:
        """sha256 of the bytes so far, as 64 hex digits."""
        return self._digest.hexdigest()

    def publish(self) -> None:
        """Puts the whole file under its name.

        Raises:
            StoreError: The disk is full or the folder cannot be written.
        """
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            if is_local(self.url):
                self._aside.replace(local_path(self.url))
            else:
                filesystem, path = fsspec.core.url_to_fs(self.url)
                filesystem.put_file(str(self._aside), path)
        except OSError as error:
            raise _unwritable(self.url, error) from error

    def discard(self) -> None:
        """Forgets what was not published; harmless after `publish`."""
        self._file.close()
        self._aside.unlink(missing_ok=True)


def remove(url: str) -> None:
    """Removes a file, or a folder and all below it; an absent one is no error."""
    if is_local(url):
        path = local_path(url)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        return
    filesystem, path = fsspec.core.url_to_fs(url)
    if filesystem.exists(path):
        filesystem.rm(path, recursive=True)


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


def list_sizes(url: str) -> dict[str, int]:
    """Size in bytes of every file below a folder, by its path relative to it."""
    if is_local(url):
        root = local_path(url)
        return {name: (root / name).stat().st_size for name in list_files(url)}
    filesystem, path = fsspec.core.url_to_fs(url)
    root_path = path.rstrip("/") + "/"
    return {p.removeprefix(root_path): int(i["size"]) for p, i in filesystem.find(path, detail=True).items()}


def stamp(url: str) -> str:
    """A file's time of change, or what an object store gives in its place; no part of any identity."""
    if is_local(url):
        return str(local_path(url).stat().st_mtime_ns)
    filesystem, path = fsspec.core.url_to_fs(url)
    return str(filesystem.ukey(path))


def list_files(url: str) -> list[str]:
    """The files below a folder, as sorted paths relative to it; an absent folder holds none."""
    if is_local(url):
        root = local_path(url)
        return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()) if root.is_dir() else []
    filesystem, path = fsspec.core.url_to_fs(url)
    root_path = path.rstrip("/") + "/"
    return sorted(p.removeprefix(root_path) for p in filesystem.find(path))
