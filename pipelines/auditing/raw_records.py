"""Raw records of a sealed corpus: read from its input files again, as the build read them."""

from __future__ import annotations

from collections.abc import Iterator, Set

from corpus import storage
from corpus.manifest import Manifest
from corpus.readers.container import decompress
from corpus.readers.formats import FORMATS
from corpus.readers.parquet import read_parquet
from corpus.readers.tar import untar
from corpus.recipe import DUMPS, Input
from pipelines.steps.reading import read_line_batches


def input_of(manifest: Manifest, path: str) -> Input:
    """The input that a file belongs to."""
    name = next(blob.input for blob in manifest.blobs if blob.path == path)
    return next(entry for entry in manifest.recipe.input if entry.name == name)


def read_raw(manifest: Manifest, data: str, path: str, numbers: Set[int]) -> dict[int, bytes]:
    """Records of one file: a scan from its start up to the last, for a compressed stream has no other way in.

    Records that the file does not have are not in the answer.

    Raises:
        SourceError: The file is not there, or cannot be read up to the last.
    """
    found: dict[int, bytes] = {}
    for number, raw in raw_records(manifest, data, path):
        if number in numbers:
            found[number] = raw
            if len(found) == len(numbers):
                break
    return found


def raw_records(manifest: Manifest, data: str, path: str) -> Iterator[tuple[int, bytes]]:
    """Every record of an input file with its number, read as the build read it.

    Raises:
        SourceError: The file is not there.
    """
    entry, limit = input_of(manifest, path), manifest.recipe.max_record_bytes
    opened = untar if path.endswith(".tar") else decompress
    with storage.open_input(storage.join(data, path)) as file:
        if entry.reader in DUMPS or (entry.reader != "parquet" and FORMATS[entry.reader].is_lines):
            for lines in read_line_batches(opened(file, path), limit):
                yield from zip(lines.number.tolist(), lines.raw, strict=True)
            return
        if entry.reader == "parquet":
            batches = read_parquet(file, path, entry.text_field, entry.label_field or None)
        else:
            batches = FORMATS[entry.reader].read(entry, opened(file, path), limit)
        for records in batches:
            yield from zip(records.number.tolist(), records.raw, strict=True)
