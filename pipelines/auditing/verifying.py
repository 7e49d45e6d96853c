"""Verification of a sealed corpus: from its ref to every byte, and every law, recomputed from what lies there.

The ref names the manifest, the manifest's name is its digest; the history vouches for the statement, the statement
for the integrity index, the index for every file. Then the parts are read back: their logical digests are those of
the manifest, and ledger, placement and shards account for each other.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from corpus import storage
from corpus.attestation import FileEntry
from corpus.drops import Drop
from corpus.errors import IntegrityError, SourceError, TokentrailError
from corpus.ledger import balances, check_input, check_source, tally
from corpus.manifest import Manifest, split_ref
from corpus.part import blob_digest, logical_digest, read_part
from corpus.shard import ShardFacts, read_starts, verify_shard
from pipelines.garbage import find_garbage
from pipelines.progress import megabytes
from pipelines.seal import check_placed
from pipelines.sealed_corpus import chain_of_trust
from pipelines.stage import load_sealed

_RESTORE = "restore this file from a copy of the store, or remove it and build the corpus again"
Say = Callable[[str], None]


def verify(ref: str, say: Say) -> list[TokentrailError]:
    """Checks everything that can be checked without the sources; gives what was found wrong.

    Args:
        ref: For instance build/refs/sample/1.0.0.
        say: Takes a line for each thing that holds.
    """
    failures: list[TokentrailError] = []
    try:
        store, manifest, files = _chain_of_trust(ref)
    except TokentrailError as error:
        return [error]
    say(f"ref, manifest, history, statement and index vouch for each other: sha256:{manifest.digest()}")
    broken = _check_files(store, files)
    failures += broken
    if not broken:
        size = sum(file.size for file in files)
        say(f"{len(files):,} files of {megabytes(size)} have the bytes they were sealed with")
    for check in (_check_parts, _check_ledger, _check_shards, _check_placement):
        try:
            say(check(store, manifest))
        except TokentrailError as error:
            failures.append(error)
        except Exception as error:
            failures.append(_wrong(f"a part cannot be read: {type(error).__name__}: {error}", f"{check.__name__}"))
    return failures


def _wrong(what: str, where: str) -> IntegrityError:
    return IntegrityError(what, where=where, remedy=_RESTORE)


def _chain_of_trust(ref: str) -> tuple[str, Manifest, tuple[FileEntry, ...]]:
    corpus = chain_of_trust(ref)
    for stage in corpus.manifest.stages:
        for part in stage.parts:
            if corpus.part_path(stage.name, part.name) not in corpus.files:
                raise _wrong(f"the integrity index does not list part {part.name} of stage {stage.name}", ref)
    return corpus.store, corpus.manifest, tuple(corpus.files.values())


def _check_files(store: str, files: Sequence[FileEntry]) -> list[TokentrailError]:
    """Every file's sha256 and size; hashing leaves Python to other threads, so all cores are used."""

    def check(file: FileEntry) -> TokentrailError | None:
        try:
            digest, size = blob_digest(storage.join(store, file.path))
        except SourceError as error:
            return error
        if size != file.size:
            return _wrong(f"the file has {size:,} bytes, sealed were {file.size:,}", file.path)
        return None if digest == file.sha256 else _wrong(f"the file's sha256 is {digest}", file.path)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [error for error in pool.map(check, files) if error is not None]


def _check_parts(store: str, manifest: Manifest) -> str:
    """Every part says what the manifest says it says."""
    count = 0
    for stage in manifest.stages:
        folder = storage.join(store, "stages", stage.name, stage.key)
        sealed = load_sealed(folder)
        if sealed is None or [(p.name, p.rows, p.logical) for p in sealed.parts] != [
            (part.name, part.rows, part.logical) for part in stage.parts
        ]:
            raise _wrong("the stage's seal and the manifest differ", storage.join(folder, "stage.json"))
        for part in stage.parts:
            if part.name.endswith((".arrow", ".parquet")):
                url = storage.join(folder, "parts", part.name)
                if logical_digest(url) != (part.logical, part.rows):
                    raise _wrong("the rows of a part are not those the manifest seals", url)
                count += 1
    return f"{count:,} tables hold the rows that the manifest seals"


def _ledger_parts(store: str, manifest: Manifest) -> Iterator[str]:
    folder = manifest.stage_folder(store, "verdicts")
    for part in manifest.stage("verdicts").parts:
        if part.name.endswith("ledger.parquet"):
            yield storage.join(folder, part.name)


def _check_ledger(store: str, manifest: Manifest) -> str:
    """The ledger's sums are the manifest's, and obey the law, per source and per input."""
    counts: Counter[str] = Counter()
    for url in _ledger_parts(store, manifest):
        for rows in read_part(url):
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
    """Every shard opens, has the tokens and documents sealed, and only ids of its vocabulary."""
    folder = manifest.stage_folder(store, "shards")
    end, size = manifest.vocabulary["end_of_document"], manifest.vocabulary["size"]
    there = storage.list_sizes(folder)
    for shard in manifest.shards:
        stem = storage.join(folder, shard.name)
        idx_bytes = there.get(f"{shard.name}.idx", 0)
        facts = ShardFacts(
            shard.documents, shard.tokens, 2 * shard.tokens, shard.bin_sha256, idx_bytes, shard.idx_sha256
        )
        mapped = verify_shard(stem, facts)
        if len(mapped.tokens) and int(mapped.tokens.max()) >= size:
            raise _wrong("a token is no id of the vocabulary", f"{stem}.bin")
        if (mapped.tokens[mapped.starts[1:] - 1] != end).any():
            raise _wrong("a document does not end with the end-of-document id", f"{stem}.bin")
    tokens = sum(shard.tokens for shard in manifest.shards)
    return f"{len(manifest.shards):,} shards of {tokens:,} tokens open, and every document ends where it should"


def _check_placement(store: str, manifest: Manifest) -> str:
    """Every kept document is placed once, where its shard's index says, and nothing else is."""
    folder = manifest.stage_folder(store, "shards")
    placed = [np.zeros((0, 16), np.uint8)]
    for shard in manifest.shards:
        starts = read_starts(storage.join(folder, shard.name))
        url = storage.join(folder, f"{shard.name}.placement.parquet")
        row = 0
        for columns in read_part(url):
            stop = row + len(columns["tokens"])
            if (columns["first_token"] != starts[row:stop]).any():
                raise _wrong("the placement and the shard's index differ", url)
            if (columns["tokens"] != np.diff(starts[row : stop + 1])).any():
                raise _wrong("the placement and the shard's index differ", url)
            placed.append(columns["doc_id"])
            row = stop
        if row != len(starts) - 1:
            raise _wrong(f"{row:,} documents are placed, the shard holds {len(starts) - 1:,}", url)
    kept = [np.zeros((0, 16), np.uint8)]
    for url in _ledger_parts(store, manifest):
        kept += [rows["doc_id"][rows["drop"] == Drop.KEPT] for rows in read_part(url)]
    if not np.array_equal(_sorted(placed), _sorted(kept)):
        raise _wrong("the documents that the ledger keeps are not those in the shards", "ledger and placement")
    return f"{sum(map(len, placed)):,} kept documents stand in the shards, each once"


def _sorted(ids: Sequence[NDArray[np.uint8]]) -> NDArray[np.bytes_]:
    return np.sort(np.ascontiguousarray(np.concatenate(ids)).view("S16").ravel())


def strays(ref: str) -> list[str]:
    """Files of the store that no sealed corpus consists of: an unfinished build's, or somebody else's."""
    store, _, _ = split_ref(ref)
    garbage = find_garbage(store)
    return sorted([*garbage.unknown, *(path for files in garbage.things.values() for path in files)])
