"""Objects of a store beyond this machine, s3:// or gs://: the half of the storage seam that speaks to fsspec.

What befalls a request on its way is the libraries' to mend: botocore, s3fs and gcsfs ask again after a lost
connection, a 5xx, a "slow down" or a body that ends early, a handful of times, waiting longer each time. So any
request may have been sent twice, and the answer to the first been lost: what is said here holds all the same.

Where the store is and who asks is said in the environment, as those libraries have it: workflows/README.md.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, Final, cast

import fsspec
from fsspec.caching import BaseCache, register_cache

from corpus.errors import SourceError, UnansweredError

FIRST_BYTES: Final = 256 << 10
"""Fetched at least, where a reader jumps. Unpublished: our choice; it takes about as long as asking does."""

MOST_BYTES: Final = 8 << 20
"""Fetched at once, where a reader goes straight on. Unpublished: our choice."""

PIECE_BYTES: Final = 32 << 20
"""Held of an object before it is sent in parts. Unpublished: our choice; S3 takes 10,000 of them, 312 GiB."""

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
_CREDENTIALS = {
    "s3": "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; for public data FSSPEC_S3_ANON=true",
    "gcs": "run `gcloud auth application-default login` or set GOOGLE_APPLICATION_CREDENTIALS; "
    "for public data FSSPEC_GS_TOKEN=anon",
}
_AGAIN = "see that the store can be reached and start the same command again: what is done is kept"


class RefusedError(OSError):
    """What the libraries made of a store's answer, in our words.

    Attributes:
        remedy: What to do about it.
        may_pass: Whether it may answer otherwise when it is asked again later.
    """

    def __init__(self, what: str, remedy: str, may_pass: bool = False) -> None:
        super().__init__(what)
        self.remedy, self.may_pass = remedy, may_pass


class Readahead(BaseCache):  # type: ignore[misc]  # fsspec has no types
    """What is held of an object being read: little where a reader jumps, more the longer it goes straight on.

    Args:
        blocksize: Not used: fsspec's name for a window that never changes.
        fetcher: Gives the bytes from a start to an end.
        size: Bytes of the object.
        url: Names the object in errors.
    """

    name = "tokentrail"

    def __init__(self, blocksize: int, fetcher: Callable[[int, int], bytes], size: int, url: str) -> None:
        super().__init__(blocksize, fetcher, size)
        self._url = url
        self._start, self._held, self._window = 0, b"", FIRST_BYTES // 2

    def _fetch(self, start: int | None, stop: int | None) -> bytes:
        start, stop = start or 0, self.size if stop is None else min(stop, self.size)
        end = self._start + len(self._held)
        if start >= stop:
            return b""
        if self._start <= start and stop <= end:
            return self._held[start - self._start : stop - self._start]
        straight_on = self._start <= start <= end
        self._window = min(2 * self._window, MOST_BYTES) if straight_on else FIRST_BYTES
        before = self._held[start - self._start :] if straight_on else b""
        first = start + len(before)
        last = min(self.size, max(stop, first + self._window))
        if last == self.size and not before:
            first = max(0, min(first, last - FIRST_BYTES))  # what has an index at its end is read backwards next
        self._start, self._held = first, self._get(first, last)
        return before + self._held[start + len(before) - first : stop - first]

    def _get(self, first: int, last: int) -> bytes:
        """A range, whole.

        Raises:
            SourceError: The store refused.
            UnansweredError: It gave up, or gave less than was asked for.
        """
        try:
            data = cast(bytes, self.fetcher(first, last))
        except Exception as error:  # every library has a tree of errors of its own
            refused = _refused(error, self._url)
            kind = UnansweredError if refused.may_pass else SourceError
            what, remedy = f"reading broke off: {refused}", refused.remedy
        else:
            if len(data) == last - first:
                return data
            kind = UnansweredError
            what, remedy = f"the store gave {len(data):,} of {last - first:,} bytes", _AGAIN
        raise kind(what, where=f"{self._url}, byte {first:,}", remedy=remedy)


register_cache(Readahead, clobber=True)


class Upload:
    """An object being written: held while it is small, then sent in parts that nobody sees until they are one."""

    def __init__(self, url: str) -> None:
        self._url, self.size = url, 0
        self._held = bytearray()
        self._file: Any = None
        self._files, self._path = _files_of(url)

    def write(self, data: memoryview) -> None:
        """Appends bytes."""
        self.size += len(data)
        if self._file is None:
            self._held += data
            if len(self._held) < PIECE_BYTES:
                return
            data, self._held = memoryview(self._held), bytearray()
        with _in_our_words(self._url, needs_bucket_alone=True):
            if self._file is None:
                # Without `autocommit` it is `commit`, and no collector of garbage, that makes the object.
                self._file = self._files.open(self._path, "wb", block_size=PIECE_BYTES, autocommit=False)
            self._file.write(data)

    def publish(self) -> None:
        """Makes the object, in place of one of that name."""
        with _in_our_words(self._url, needs_bucket_alone=True):
            if self._file is None:
                self._files.pipe_file(self._path, bytes(self._held))
                return
            self._file.flush(force=True)
            try:
                self._file.commit()
            except FileNotFoundError:
                # Asked again after a lost answer, a store knows of no such upload: its parts are one object now.
                if self._files.size(self._path) != self.size:
                    raise
            self._file.close()

    def discard(self) -> None:
        """Forgets the parts that were sent; harmless after `publish`."""
        if self._file is not None and not self._file.closed:
            with suppress(Exception):  # what is wrong with the store is being said by whoever discards
                self._file.discard()
            self._file.closed = True


def open_object(url: str) -> IO[bytes]:
    """Opens an object for reading by ranges.

    Raises:
        OSError: It is not there, or the store refuses.
    """
    files, path = _files_of(url)
    with _in_our_words(url):
        return cast("IO[bytes]", files.open(path, "rb", cache_type=Readahead.name, cache_options={"url": url}))


def create(url: str, data: bytes) -> bool:
    """Makes an object unless there is one of that name; says whether what stands there is what was given.

    Raises:
        OSError: The store refuses.
    """
    files, path = _files_of(url)
    while True:
        try:
            with _in_our_words(url, needs_bucket_alone=True):
                files.pipe_file(path, data, mode="create")
        except FileExistsError:
            return read(url) == data  # it may be our own, whose answer was lost
        except RefusedError as error:
            # S3 says so where two create one name at once; asked again it says who was first.
            if "ConditionalRequestConflict" not in repr(error.__cause__):
                raise
        else:
            return True


def read(url: str) -> bytes:
    """A whole object.

    Raises:
        FileNotFoundError: It is not there.
        OSError: The store refuses.
    """
    files, path = _files_of(url)
    with _in_our_words(url):
        return cast(bytes, files.cat_file(path))


def sizes(url: str) -> dict[str, int]:
    """Bytes of every object below a folder, by its name relative to it; placeholders of folders are none.

    Raises:
        OSError: There is no such bucket, or the store refuses.
    """
    files, path = _files_of(url)
    root = path.rstrip("/") + "/"
    with _in_our_words(url, needs_bucket_alone=True):
        found = files.find(path, detail=True)
    names = (name for name in found if name.startswith(root) and not name.endswith("/"))
    return {name.removeprefix(root): int(found[name]["size"]) for name in names}


def remove(url: str) -> None:
    """Removes an object and all below it; an absent one is no error.

    Raises:
        OSError: The store refuses.
    """
    files, path = _files_of(url)
    with suppress(FileNotFoundError), _in_our_words(url):
        if files.exists(path):
            files.rm(path, recursive=True)


def stamp(url: str) -> str:
    """What changes when an object is replaced.

    Raises:
        OSError: It is not there, or the store refuses.
    """
    files, path = _files_of(url)
    with _in_our_words(url):
        return cast(str, files.ukey(path))


def _files_of(url: str) -> tuple[Any, str]:
    """fsspec's file system of a URL, and the path in it; listings are never remembered.

    Raises:
        RefusedError: No library is installed for it, or it cannot be set up.
    """
    # gcsfs' other way, for buckets of one zone, asks over gRPC what kind of bucket it is. Ours is the tested one.
    os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    with _in_our_words(url):
        files, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
    return files, path


@contextmanager
def _in_our_words(url: str, needs_bucket_alone: bool = False) -> Iterator[None]:
    """Makes an OSError that says what is wrong of whatever a library raises.

    Args:
        needs_bucket_alone: Whether nothing but the bucket can be what is not there.

    Raises:
        FileNotFoundError: It is not there.
        FileExistsError: It is there.
        RefusedError: Everything else.
    """
    try:
        yield
    except FileExistsError:
        raise
    except FileNotFoundError as error:
        if needs_bucket_alone or "bucket does not exist" in str(error):
            raise RefusedError("the bucket is not there", "make it, or mend its name") from error
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), url) from error
    except Exception as error:  # every library has a tree of errors of its own
        raise _refused(error, url) from error


def _refused(error: Exception, url: str) -> RefusedError:
    """What a library raised, and what to do about it."""
    scheme = url.partition("://")[0]
    extra = _EXTRAS.get(scheme)
    kind, text = type(error).__name__, " ".join(str(error).split())[:200]
    if isinstance(error, ImportError) and extra:
        return RefusedError(f"what reads {scheme}:// is not installed", f"pip install 'tokentrail[{extra}]'")
    if isinstance(error, ImportError) or (isinstance(error, ValueError) and "rotocol" in text):
        return RefusedError(f"there is no way to {scheme}:// here", "name a folder, s3://... or gs://...")
    if any(word in kind for word in ("Credential", "Token", "Profile", "RefreshError")):
        remedy = _CREDENTIALS.get(extra or "", "give credentials as its library wants them")
        return RefusedError(f"the store knows nobody by these credentials: {text}", remedy)
    if isinstance(error, PermissionError) or "Forbidden" in text or getattr(error, "code", None) in (401, 403):
        remedy = "let this account list and read the bucket, and write and delete where the store is"
        return RefusedError(f"the store does not allow it: {text}", remedy)
    return RefusedError(f"the store does not do it ({kind}): {text}", _AGAIN, may_pass=True)
