"""What is true of one build and not of the corpus: an in-toto statement (SLSA provenance), an integrity index.

    <store>/attestations/<manifest digest>/integrity.json   sha256 and size of every file the corpus consists of
                                           statement.json   who built it, when, with what, from what

The statement holds the index's digest and the history holds the statement's, so that from the ref to the last byte
each file is vouched for by another.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import socket
import subprocess
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import rfc8785

from corpus import storage
from corpus.errors import IntegrityError, SourceError
from corpus.manifest import Manifest

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "https://tokentrail.dev/build/1"
# What can move a corpus's bytes or its containers' bytes.
LIBRARIES = ("numba", "numpy", "orjson", "msgspec", "pyarrow", "tokenizers", "gigatoken", "zstandard")


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of the store: path below it, sha256, size."""

    path: str
    sha256: str
    size: int


class IntegrityIndex(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every file of a sealed corpus, but the index, the statement, the refs and the history."""

    files: tuple[FileEntry, ...]


def attestation_url(store: str, digest: str, name: str) -> str:
    """Where the index (`integrity.json`) or the statement (`statement.json`) of a manifest lies."""
    return storage.join(store, "attestations", digest, name)


def environment() -> dict[str, Any]:
    """The machine, the interpreter, the libraries and the state of the code."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "argv": sys.argv,
        "host": socket.gethostname(),
        "user": os.environ.get("USER", str(os.getuid())),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "unicode": unicodedata.unidata_version,
        "libraries": versions,
        "code": _code_state(),
    }


def _code_state() -> dict[str, str]:
    """The commit the code stands at, and the digest of what differs from it; empty outside a checkout."""
    root = Path(__file__).parent

    def git(*arguments: str) -> bytes:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, check=True, timeout=30).stdout

    try:
        difference = git("diff", "HEAD")
        return {
            "commit": git("rev-parse", "HEAD").decode().strip(),
            "difference": hashlib.sha256(difference).hexdigest() if difference else "none",
        }
    except (OSError, subprocess.SubprocessError):
        return {}


def publish_attestation(store: str, manifest: Manifest, files: Sequence[FileEntry], run: Mapping[str, Any]) -> str:
    """Writes the index and the statement of a corpus once; gives the sha256 of the statement that stands."""
    digest = manifest.digest()
    index = IntegrityIndex(tuple(sorted(files, key=lambda file: file.path)))
    index_bytes = rfc8785.dumps(msgspec.to_builtins(index))
    storage.publish(attestation_url(store, digest, "integrity.json"), index_bytes)
    standing = storage.read_bytes(attestation_url(store, digest, "integrity.json"))
    statement: dict[str, Any] = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": f"{manifest.name}@{manifest.version}", "digest": {"sha256": digest}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {"recipe": manifest.recipe.canonical()},
                "internalParameters": dict(run),
                "resolvedDependencies": [
                    {"uri": blob.path, "digest": {"sha256": blob.sha256}} for blob in manifest.blobs
                ],
            },
            "runDetails": {
                "builder": {"id": BUILD_TYPE},
                "byproducts": [
                    {"name": "integrity.json", "digest": {"sha256": hashlib.sha256(standing).hexdigest()}}
                ],
            },
        },
    }
    storage.publish(attestation_url(store, digest, "statement.json"), rfc8785.dumps(statement))
    return hashlib.sha256(storage.read_bytes(attestation_url(store, digest, "statement.json"))).hexdigest()


def load_statement(store: str, digest: str, statement_digest: str = "") -> dict[str, Any]:
    """The statement of a manifest, proved by the digest that the history holds of it; "" takes it as it stands.

    Raises:
        SourceError: It is missing.
        IntegrityError: It does not match that digest, or speaks of another corpus.
    """
    url = attestation_url(store, digest, "statement.json")
    statement_bytes = _read(url)
    if statement_digest not in ("", hashlib.sha256(statement_bytes).hexdigest()):
        raise _unproved("the statement is not the one the history names", url)
    statement = cast("dict[str, Any]", msgspec.json.decode(statement_bytes))
    if statement["subject"][0]["digest"]["sha256"] != digest:
        raise _unproved("the statement speaks of another corpus", url)
    return statement


def load_index(store: str, digest: str, statement_digest: str = "") -> IntegrityIndex:
    """The integrity index of a manifest, proved by the statement, which is proved by the history's digest.

    Args:
        store: Where they lie.
        digest: The manifest's.
        statement_digest: The history's; "" takes the statement as it stands.

    Raises:
        SourceError: A file is missing.
        IntegrityError: One does not match the digest that vouches for it, or speaks of another corpus.
    """
    statement = load_statement(store, digest, statement_digest)
    url = attestation_url(store, digest, "integrity.json")
    index_bytes = _read(url)
    vouched = statement["predicate"]["runDetails"]["byproducts"][0]["digest"]["sha256"]
    if hashlib.sha256(index_bytes).hexdigest() != vouched:
        raise _unproved("the integrity index is not the one the statement names", url)
    return msgspec.json.decode(index_bytes, type=IntegrityIndex)


def _read(url: str) -> bytes:
    try:
        return storage.read_bytes(url)
    except FileNotFoundError as error:
        raise SourceError("the attestation is missing", where=url, remedy="copy the whole store") from error


def _unproved(what: str, where: str) -> IntegrityError:
    return IntegrityError(what, where=where, remedy="restore this file from a copy of the store")
