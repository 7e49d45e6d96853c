"""Open and publish, wherever the bytes lie: a path, file://, gs:// or s3://.

Publishing is atomic and never overwrites: a reader sees the whole file or none, and of two writers of one name the
first wins. What lies beyond this machine is `object_store.py`'s: conditional create and nothing renamed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import posixpath
import re
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from corpus import object_store
from corpus.errors import SourceError, StoreError, UnansweredError


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
    """Opens an input for reading; of an object, ranges are fetched as they are read.

    Raises:
        SourceError: It is missing or may not be read.
    """
    try:
        # Not by `local_path`: a `Path` takes as long to make as the file to open, and an exchange opens millions.
        return open(url.removeprefix("file://"), "rb") if is_local(url) else object_store.open_object(url)
    except OSError as error:
        raise _unreadable("cannot open the file", url, error) from error


def publish(url: str, data: bytes) -> bool:
    """Writes a new file whole, and says whether it was this call that created it.

    The bytes are on disk before the name is: written aside, synced, then linked to the name, which fails when
    the name exists. An object is created on the condition that there is none; where one is that has the same
    bytes, it counts as this call's, for an answer may be lost. Nothing is ever overwritten.

    Raises:
        StoreError: The disk is full, or the folder or bucket cannot be written.
    """
    if not is_local(url):
        try:
            return object_store.create(url, data)
        except OSError as error:
            raise _unwritable(url, error) from error
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


_ASIDE: Final = re.compile(r"\..+\.\d+-[0-9a-f]{8}")


def is_aside(path: str) -> bool:
    """Whether a file bears no name yet: its writer is at work, or died at it."""
    return _ASIDE.fullmatch(posixpath.basename(path)) is not None


class _Aside:
    """A file of this machine being written beside its name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._aside = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
        self._file = open(self._aside, "xb")  # noqa: SIM115 (published or discarded by name)

    def write(self, data: memoryview) -> None:
        self._file.write(data)

    def publish(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._aside.replace(self._path)

    def discard(self) -> None:
        with suppress(OSError):  # what a full disk did not take it does not take now
            self._file.close()
        self._aside.unlink(missing_ok=True)


class NewFile:
    """A file being written: hashed as it grows, and under its name only when it is whole.

    Unlike `publish` it replaces a file of that name: tasks are pure, so a second attempt has the same bytes, and
    what an attempt left that no marker counts is worth nothing.
    """

    closed = False

    def __init__(self, url: str) -> None:
        self.url, self.size = url, 0
        self._digest = hashlib.sha256()
        self._file: _Aside | object_store.Upload
        try:
            self._file = _Aside(local_path(url)) if is_local(url) else object_store.Upload(url)
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
        """Does nothing: bytes count once they are published."""

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
            self._file.publish()
        except OSError as error:
            raise _unwritable(self.url, error) from error

    def discard(self) -> None:
        """Forgets what was not published; harmless after `publish`."""
        self._file.discard()


def remove(url: str) -> None:
    """Removes a file, or a folder and all below it; an absent one is no error.

    Raises:
        StoreError: An object store does not let it go.
    """
    if not is_local(url):
        try:
            object_store.remove(url)
        except OSError as error:
            raise _unwritable(url, error) from error
        return
    path = local_path(url)
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_empty(url: str) -> None:
    """Removes a folder and those below it where they hold nothing; an object store has no folders."""
    if is_local(url):
        for folder, _, _ in os.walk(local_path(url), topdown=False):
            with suppress(OSError):  # it holds something
                Path(folder).rmdir()


def _unwritable(url: str, error: OSError) -> StoreError:
    remedy = "choose a folder you may write to with --out"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        remedy = "free some space and start the same command again: what is sealed is kept"
    remedy = error.remedy if isinstance(error, object_store.RefusedError) else remedy
    return StoreError(f"cannot write to the store: {error.strerror or error}", where=url, remedy=remedy)


def _unreadable(what: str, url: str, error: OSError) -> SourceError:
    remedy = "check that the file is there and readable, and that --data names its folder"
    kind = SourceError
    if isinstance(error, object_store.RefusedError):
        remedy = error.remedy
        kind = UnansweredError if error.may_pass else SourceError
    return kind(f"{what}: {error.strerror or error}", where=url, remedy=remedy)


def read_bytes(url: str) -> bytes:
    """A whole small file.

    Raises:
        FileNotFoundError: It is not there.
        SourceError: An object store does not give it.
    """
    if is_local(url):
        return local_path(url).read_bytes()
    try:
        return object_store.read(url)
    except object_store.RefusedError as error:
        raise _unreadable("cannot read the file", url, error) from error


def list_sizes(url: str) -> dict[str, int]:
    """Size in bytes of every file below a folder, by its path relative to it; an absent folder holds none.

    Raises:
        SourceError: An object store does not say, or has no such bucket.
    """
    if is_local(url):
        root = local_path(url)
        return {name: (root / name).stat().st_size for name in list_files(url)}
    try:
        return object_store.sizes(url)
    except OSError as error:
        raise _unreadable("cannot list the folder", url, error) from error


def list_files(url: str) -> list[str]:
    """The files below a folder, as sorted paths relative to it; an absent folder holds none.

    Raises:
        SourceError: An object store does not say, or has no such bucket.
    """
    if not is_local(url):
        return sorted(list_sizes(url))
    root = local_path(url)
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()) if root.is_dir() else []


def stamp(url: str) -> str:
    """A file's times of change, or what an object store gives in its place; no part of any identity.

    Raises:
        SourceError: An object store does not say.
    """
    if is_local(url):
        found = local_path(url).stat()
        # Who copies a file may give it another's time of change, and cannot give it another's time of arrival.
        return f"{found.st_mtime_ns} {found.st_ctime_ns}"
    try:
        return object_store.stamp(url)
    except OSError as error:
        raise _unreadable("cannot look at the file", url, error) from error
