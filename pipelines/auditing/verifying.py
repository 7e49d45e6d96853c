"""Verification of a sealed corpus: from its ref to every byte, and every law, recomputed from what lies there.

The ref names the manifest, the manifest's name is its digest; the history vouches for the statement, the statement
for the integrity index, the index for every file. Then the parts are read back: their logical digests are those of
the manifest, its recipe gives the keys of its stages, and ledger, placement and shards account for each other.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence, Set
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from corpus import storage
from corpus.attestation import FileEntry
from corpus.drops import Drop
from corpus.errors import IntegrityError, SourceError, TokentrailError
from corpus.ledger import TALLIED, balances, check_input, check_source, tally
from corpus.manifest import Manifest, PartEntry, split_ref
from corpus.part import blob_digest, logical_digest
from corpus.provenance import Ledger, read_placement
from corpus.shard import Shard
from corpus.table import row_count
from pipelines.auditing.derivation import check_derivation
from pipelines.garbage import find_garbage
from pipelines.progress import megabytes
from pipelines.seal import check_placed
from pipelines.sealed_corpus import chain_of_trust
from pipelines.stage import load_sealed
from pipelines.steps.blocks import BLOCK_STAGES

_RESTORE = "restore this file from a copy of the store, or remove it and build the corpus again"
SMALL_BYTES = 1 << 20  # unpublished: our choice; what is smaller is hashed in less time than it takes to draw it
Say = Callable[[str], None]
Check = Callable[[str, Manifest], str]
Watch = Callable[[int, int], None]


def verify(ref: str, say: Say, watch: Watch | None = None, deep: bool = False) -> list[TokentrailError]:
    """Checks what can be checked without the sources; gives what was found wrong.

    Args:
        ref: For instance build/refs/sample/1.0.0.
        say: Takes a line for each thing that holds.
        watch: Takes the bytes hashed so far, and those of all files.
        deep: Whether the rows of every table are held to the manifest. Without, those are that auditors read:
            blocks, ledger and placements. The tables between the stages then have but the bytes that the history
            vouches for.
    """
    try:
        store, manifest, files = _chain_of_trust(ref)
    except TokentrailError as error:
        return [error]
    say(f"ref, manifest, history, statement and index vouch for each other: sha256:{manifest.digest()}")
    broken = _check_files(store, files, watch)
    if not broken:
        size = sum(file.size for file in files)
        say(f"{len(files):,} files of {megabytes(size)} have the bytes they were sealed with")

    def check_tables(store: str, manifest: Manifest) -> str:
        return _check_tables(store, manifest, deep, {error.where for error in broken})

    checks = check_tables, check_derivation, _check_ledger, _check_shards, _check_placement
    return broken + _hold(checks, store, manifest, say)


def _hold(checks: Sequence[Check], store: str, manifest: Manifest, say: Say) -> list[TokentrailError]:
    """Runs checks, each whatever the others find."""
    failures: list[TokentrailError] = []
    for check in checks:
        try:
            say(check(store, manifest))
        except TokentrailError as error:
            failures.append(error)
        except Exception as error:
            failures.append(_wrong(f"a part cannot be read: {type(error).__name__}: {error}", check.__name__))
    return failures


def verify_sample(ref: str, count: int, seed: str, say: Say, watch: Watch | None = None) -> list[TokentrailError]:
    """Checks the chain of trust, the keys of stages, the bytes of all small files and of some others.

    Args:
        ref: For instance build/refs/sample/1.0.0.
        count: How many of the larger files.
        seed: Draws them: those whose sha256 of seed and path is smallest.
        say: Takes a line for each thing that holds.
        watch: Takes the bytes hashed so far, and those of all files to hash.
    """
    try:
        store, manifest, files = _chain_of_trust(ref)
    except TokentrailError as error:
        return [error]
    say("ref, manifest, history, statement and index vouch for each other")
    large = [file for file in files if file.size > SMALL_BYTES]
    large.sort(key=lambda file: hashlib.sha256(f"{seed}\n{file.path}".encode()).digest())
    chosen = [file for file in files if file.size <= SMALL_BYTES] + large[:count]
    broken = _check_files(store, chosen, watch)
    if not broken:
        size, whole = (megabytes(sum(file.size for file in some)) for some in (chosen, files))
        say(f"{len(chosen):,} of {len(files):,} files, {size} of {whole}, have the bytes they were sealed with")
    return broken + _hold([check_derivation], store, manifest, say)


def grade(failures: Sequence[TokentrailError]) -> str:
    """A: the same bytes; B: the same rows, in tables of other bytes; F: anything else.

    A grade C, differences that are explained, needs two corpora to compare: a verification never gives it.
    """
    if not failures:
        return "A"
    tables = all(f.where.startswith("stages/") and f.where.endswith((".arrow", ".parquet")) for f in failures)
    return "B" if tables else "F"


def _wrong(what: str, where: str) -> IntegrityError:
    return IntegrityError(what, where=where, remedy=_RESTORE)


def _chain_of_trust(ref: str) -> tuple[str, Manifest, tuple[FileEntry, ...]]:
    corpus = chain_of_trust(ref)
    for stage in corpus.manifest.stages:
        for part in stage.parts:
            if corpus.part_path(stage.name, part.name) not in corpus.files:
                raise _wrong(f"the integrity index does not list part {part.name} of stage {stage.name}", ref)
    for shard in corpus.manifest.shards:
        for name, sealed in ((f"{shard.name}.bin", shard.bin_sha256), (f"{shard.name}.idx", shard.idx_sha256)):
            file = corpus.files.get(corpus.part_path("shards", name))
            if file is None or file.sha256 != sealed:
                raise _wrong("the index has another sha256 of a shard than the manifest seals", name)
    return corpus.store, corpus.manifest, tuple(corpus.files.values())


def _check_files(store: str, files: Sequence[FileEntry], watch: Watch | None) -> list[TokentrailError]:
    """Every file's sha256 and size; hashing leaves Python to other threads, so all cores are used."""

    def check(file: FileEntry) -> TokentrailError | None:
        try:
            digest, size = blob_digest(storage.join(store, file.path))
        except SourceError as error:
            return error
        if size != file.size:
            return _wrong(f"the file has {size:,} bytes, sealed were {file.size:,}", file.path)
        return None if digest == file.sha256 else _wrong(f"the file's sha256 is {digest}", file.path)

    total, done, failures = sum(file.size for file in files), 0, []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for file, error in zip(files, pool.map(check, files), strict=True):
            done += file.size
            if watch is not None:
                watch(done, total)
            if error is not None:
                failures.append(error)
    return failures


def _check_tables(store: str, manifest: Manifest, deep: bool, broken: Set[str]) -> str:
    """Tables hold the rows that the manifest seals: what auditors read, and what has other bytes; or all."""
    tables: list[tuple[str, PartEntry]] = []
    for stage in manifest.stages:
        folder = storage.join(store, "stages", stage.name, stage.key)
        sealed = load_sealed(folder)
        if sealed is None or [(p.name, p.rows, p.logical) for p in sealed.parts] != [
            (part.name, part.rows, part.logical) for part in stage.parts
        ]:
            raise _wrong("the stage's seal and the manifest differ", storage.join(folder, "stage.json"))
        for part in stage.parts:
            path = f"stages/{stage.name}/{stage.key}/parts/{part.name}"
            read = deep or stage.name in BLOCK_STAGES or part.name.endswith(".parquet") or path in broken
            if read and part.name.endswith((".arrow", ".parquet")):
                tables.append((path, part))

    def check(table: tuple[str, PartEntry]) -> None:
        path, part = table
        if logical_digest(storage.join(store, path)) != (part.logical, part.rows):
            raise _wrong("the rows of a part are not those the manifest seals", path)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(check, tables):
            pass
    which = "tables" if deep else "tables of texts, ledger and placements"
    return f"{len(tables):,} {which} hold the rows that the manifest seals"


def _check_ledger(store: str, manifest: Manifest) -> str:
    """The ledger's sums are the manifest's, and obey the law, per source and per input."""
    counts: Counter[str] = Counter()
    for _, rows in Ledger.sealed_in(store, manifest).read(TALLIED):
        counts.update(tally(rows))
    recipe = manifest.recipe
    names = [s.name for s in recipe.source] + [f"{entry.name} (unreadable)" for entry in recipe.input]
    found = {balance.name: balance for balance in balances(counts, names)}
    for balance in manifest.sources:
        check_source(balance)
        if found[balance.name] != balance:
            raise _wrong("the ledger's rows do not add up to what the manifest states", f"source {balance.name}")
    rows_left = sum(balance.documents for balance in found.values()) - sum(b.documents for b in manifest.sources)
    if rows_left:
        raise _wrong(f"{rows_left:,} rows of the ledger belong to no source of the manifest", "the ledger")
    for entry in manifest.inputs:
        check_input(entry)
    if sum(entry.document_bytes for entry in manifest.inputs) != sum(b.raw_bytes for b in manifest.sources):
        raise _wrong("inputs and sources do not account for the same raw bytes", "the manifest")
    check_placed(manifest.sources, manifest.stage("shards").counts)
    documents = sum(balance.documents for balance in manifest.sources)
    return f"conservation holds: {documents:,} documents, kept or dropped, for every source and input, to the byte"


def _check_shards(store: str, manifest: Manifest) -> str:
    """Every shard, whose bytes are known, opens and has the tokens and documents sealed, ids of its vocabulary."""
    folder = manifest.stage_folder(store, "shards")
    end, size = manifest.vocabulary["end_of_document"], manifest.vocabulary["size"]
    for shard in manifest.shards:
        stem = storage.join(folder, shard.name)
        mapped = Shard.open(stem)
        if (len(mapped), len(mapped.tokens)) != (shard.documents, shard.tokens):
            raise _wrong("a shard has not the documents and tokens that the manifest says", stem)
        if len(mapped.tokens) and int(mapped.tokens.max()) >= size:
            raise _wrong("a token is no id of the vocabulary", f"{stem}.bin")
        if (mapped.tokens[mapped.starts[1:] - 1] != end).any():
            raise _wrong("a document does not end with the end-of-document id", f"{stem}.bin")
    tokens = sum(shard.tokens for shard in manifest.shards)
    return f"{len(manifest.shards):,} shards of {tokens:,} tokens open, and every document ends where it should"


def _check_placement(store: str, manifest: Manifest) -> str:
    """Every kept document is placed once, in a shard of its source, and nothing else is."""
    ledger = Ledger.sealed_in(store, manifest)
    kept, placed = np.zeros(ledger.rows, np.bool_), np.zeros(ledger.rows, np.bool_)
    source = np.zeros(ledger.rows, np.uint16)
    for first, rows in ledger.read(("source", "drop")):
        here = slice(first, first + row_count(rows))
        kept[here], source[here] = rows["drop"] == Drop.KEPT, rows["source"]
    names = [source.name for source in manifest.recipe.source]
    for shard in manifest.shards:
        try:
            places = ledger.places(read_placement(manifest, store, shard.name))
        except IndexError as error:
            raise _wrong(str(error), shard.name) from error
        if len(places) != shard.documents:
            raise _wrong(f"{len(places):,} documents are placed, the shard holds {shard.documents:,}", shard.name)
        if (source[places] != names.index(shard.source)).any():
            raise _wrong("a document stands in a shard of another source", shard.name)
        before = int(placed.sum())
        placed[places] = True
        if int(placed.sum()) != before + len(places):
            raise _wrong("a document stands in the shards twice", shard.name)
    if not np.array_equal(placed, kept):
        raise _wrong("the documents that the ledger keeps are not those in the shards", "ledger and placement")
    return f"{int(placed.sum()):,} kept documents stand in the shards, each once"


def strays(ref: str) -> list[str]:
    """Files of the store that no sealed corpus consists of: an unfinished build's, or somebody else's."""
    store, _, _ = split_ref(ref)
    garbage = find_garbage(store)
    return sorted([*garbage.unknown, *(path for files in garbage.things.values() for path in files)])
