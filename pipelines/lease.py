"""One build at a time in a store; whoever comes second is told who holds it.

On a file system it is a lock that the system releases when its holder dies, however it dies; on NFS the server's.
In an object store the holder has to show that it lives: `heartbeat.py`. What a build writes bears two writers all
the same: a lease saves work, no digest depends on it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import msgspec

from corpus import storage
from corpus.errors import StoreError
from pipelines.heartbeat import Owner, Rhythm, heartbeat, held

LOCK_NAME = ".lock"


@contextmanager
def lease(
    store: str, holder: str = "build", option: str = "--out", rhythm: Rhythm | None = None
) -> Iterator[None]:
    """Holds a store for the time of a build, or of whatever else fills a folder.

    Args:
        holder: What it is held by, and of what there is one at a time.
        option: Names the folder on the command line.
        rhythm: Of the signs of life in an object store, if not the usual one.

    Raises:
        StoreError: Another one holds it or takes it meanwhile, or the folder cannot be written.
    """
    owner = Owner.myself(holder)
    if not storage.is_local(store):
        with heartbeat(store, owner, option, rhythm or Rhythm()):
            yield
        return
    descriptor = _open(store, option)
    try:
        _lock(descriptor, holder, store, option)
        with suppress(OSError):  # a full disk may have no room for a name
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, msgspec.json.encode(owner), 0)
        yield
    finally:
        os.close(descriptor)


def _open(store: str, option: str) -> int:
    path = storage.local_path(store) / LOCK_NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise _unusable("cannot write to the store", path.parent, option, error) from error


def _lock(descriptor: int, holder: str, store: str, option: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise held(_owner(descriptor), holder, store, option) from error
    except OSError as error:
        raise _unusable("the store's file system has no locks", store, option, error) from error


def _unusable(what: str, where: object, option: str, error: OSError) -> StoreError:
    remedy = f"choose a folder you may write to with {option}"
    return StoreError(f"{what}: {error.strerror}", where=str(where), remedy=remedy)


def _owner(descriptor: int) -> Owner | None:
    """Who wrote its name into the lock; None while it is still about to."""
    try:
        return msgspec.json.decode(os.pread(descriptor, 1 << 16, 0), type=Owner)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
