"""Lists of URLs that a corpus must not hold, pinned by their digests: domains and pages, a line each.

    # what follows a sharp at the start of a line is a comment
    example.org              every page of this host, and of every host below it: news.example.org
    example.org/a?b=c        this page, whatever the scheme
    https://example.org/a    this page under this scheme

Pages are compared as `url.py` has it, hosts without port and in lower case. The lists of UT1, which datatrove
carries, have this form. In memory a line is 16 bytes of hash, for such lists have millions.
"""

from __future__ import annotations

import functools
import hashlib
import io
import re
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from corpus.errors import SourceError
from corpus.storage import open_input
from corpus.url import KEY_BYTES, canonical_url, host_of, url_key

URL_LIST_VERSION: Final = 1
"""Raised with every change of how a list is read or which URLs it names."""

# Lines of a hosts file or of an ad blocker's list are neither: taken as one of the two they would name nothing.
_DOMAIN = re.compile(rb"[^\s/?#@<>|^*!,;]+")
_PAGE = re.compile(rb"(?=[^/?]*[/?])[^\s<>|@*!][^\s<>]*")
_MAX_HOST_BYTES = 255  # RFC 1035, section 2.3.4: a longer one is no domain, and lies in none


class UrlList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One list of a recipe.

    Attributes:
        path: Below the data folder, or absolute; no part of a corpus' identity.
        sha256: Of the file's bytes, 64 hex digits.
    """

    path: str
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


@functools.lru_cache(maxsize=16)
def load_url_list(where: str, sha256: str) -> NDArray[np.bytes_]:
    """The list's entries as sorted keys, S16[n]; one serves all tasks of a process.

    Args:
        where: The file's path or URL.
        sha256: What its bytes must have, 64 hex digits.

    Raises:
        SourceError: The file is missing or has another digest, or a line is neither a domain nor a URL.
    """
    with open_input(where) as file:
        data = file.read()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise SourceError(
            f"the list of URLs has sha256 {found}, the recipe says {sha256}",
            where=where,
            remedy="restore the list, or write the digest of the new one into the recipe's url_lists",
        )
    keys = bytearray()
    for number, line in enumerate(map(bytes.strip, io.BytesIO(data)), start=1):
        if line and not line.startswith(b"#"):
            keys += url_key(_entry(line, f"{where}, line {number}"))
    return np.unique(np.frombuffer(keys, f"S{KEY_BYTES}"))


def _entry(line: bytes, where: str) -> bytes:
    """A line as it is compared: a domain, or a canonical URL, with `//` before it where it names no scheme."""
    if _DOMAIN.fullmatch(line):
        return line.lower().removesuffix(b".")
    if not _PAGE.fullmatch(line):
        raise SourceError(
            f"the line is neither a domain nor a URL: {line[:60]!r}",
            where=where,
            remedy="write a domain or a URL a line; comments begin with #",
        )
    return canonical_url(line if b"://" in line else b"//" + line)


def listed(urls: Sequence[bytes], lists: Sequence[NDArray[np.bytes_]]) -> NDArray[np.bool_]:
    """Which of n URLs one of these lists names, bool[n].

    Args:
        urls: As a crawl gives them; b"" is named by none.
        lists: What `load_url_list` gives.
    """
    names = [_names(url) for url in urls]
    owner = np.repeat(np.arange(len(urls)), [len(found) for found in names])
    keys = np.frombuffer(b"".join(url_key(name) for found in names for name in found), f"S{KEY_BYTES}")
    found = np.zeros(len(urls), np.bool_)
    for entries in lists:
        if len(entries):
            at = np.minimum(np.searchsorted(entries, keys), len(entries) - 1)
            found[owner[entries[at] == keys]] = True
    return found


def _names(url: bytes) -> list[bytes]:
    """Every entry that would name this URL: itself, itself without its scheme, its host and those above it."""
    canonical = canonical_url(url)
    host = host_of(canonical)
    if not host:
        return [canonical] if canonical else []
    labels = host.split(b".") if len(host) <= _MAX_HOST_BYTES else []
    above = [b".".join(labels[first:]) for first in range(len(labels))]
    return [canonical, canonical[canonical.index(b"//") :], *above]
