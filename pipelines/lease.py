"""One build at a time in a store: a lock that the system releases when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from corpus import storage
from corpus.errors import StoreError

LOCK_NAME = ".lock"


@contextmanager
def lease(store: str, holder: str = "build", option: str = "--out") -> Iterator[None]:
    """Holds a store for the time of a build, or of whatever else fills a folder.

    Args:
        holder: What it is held by, and of what there is one at a time.
        option: Names the folder on the command line.

    Raises:
        StoreError: Another one holds it, or the folder cannot be written.
    """
    if not storage.is_local(store):
        yield  # Object stores have no such lock; their parts and markers bear two writers.
        return
    path = storage.local_path(store) / LOCK_NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StoreError(
            f"cannot write to the store: {error.strerror}",
            where=str(path.parent),
            remedy=f"choose a folder you may write to with {option}",
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise StoreError(
            f"another {holder} holds this store",
            where=store,
            remedy=f"wait for it, or choose another folder with {option}",
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)
