"""What must be the same in every process of a build: rules, libraries, Unicode.

Two workers that differ in one of them would make two halves of two corpora, and no digest of a part could tell.
Rules are compared by their code: their version numbers are promises about it, and code is what runs.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from corpus.attestation import LIBRARIES
from corpus.errors import EngineError

_PACKAGES = ("corpus", "pipelines")
# What an extra brings that decides a text, beside what every build needs.
_EXTRAS = (
    "brotli",
    "datatrove",
    "html2text",
    "lxml",
    "mwparserfromhell",
    "py3langid",
    "resiliparse",
    "scipy",
    "spacy",
    "trafilatura",
)


@functools.cache
def versions() -> Mapping[str, str]:
    """The versions of this process, by name."""
    found = {"rules": _code_digest()[:16], "unicode": unicodedata.unidata_version}
    found["python"] = ".".join(platform.python_version_tuple()[:2])
    for name in sorted({*LIBRARIES, *_EXTRAS}):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def _code_digest() -> str:
    """sha256 over the names and the text of every module."""
    root, digest = Path(__file__).parents[1], hashlib.sha256()
    for package in _PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            text = path.read_bytes()
            digest.update(f"{path.relative_to(root).as_posix()} {len(text)}\n".encode() + text)
    return digest.hexdigest()


def check_fleet(expected: Mapping[str, str], workers: Mapping[str, Mapping[str, str]]) -> None:
    """Holds workers to the versions of the process that drives them.

    Args:
        expected: The driver's versions.
        workers: Each worker's, by its name.

    Raises:
        EngineError: One differs; says which, and in what.
    """
    for worker, found in sorted(workers.items()):
        names = sorted(expected.keys() | found.keys())
        different = [name for name in names if expected.get(name) != found.get(name)]
        if different:
            said = ", ".join(f"{name} {found.get(name)} (here {expected.get(name)})" for name in different)
            raise EngineError(
                f"a worker differs from this process: {said}",
                where=worker,
                remedy="install the same release with the same locks everywhere: a mixed fleet makes no corpus",
            )
