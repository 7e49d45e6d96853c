"""datatrove's readers over files; takes turns. The first loads what is loaded once, and is not for counting."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

from datatrove.pipeline.readers import JsonlReader, ParquetReader, WarcReader
from datatrove.pipeline.readers.base import BaseDiskReader
from turns import serve

READERS: dict[str, Callable[[str], BaseDiskReader]] = {
    "jsonl": JsonlReader,
    "parquet": lambda folder: ParquetReader(folder, read_metadata=False),
    "warc": WarcReader,
}
PACKAGES = ("datatrove", "faust-cchardet", "orjson", "pyarrow", "python-magic", "warcio")


def reading(reader: str, path: Path) -> Callable[[], int]:
    """One reading to come, of which the documents are counted."""
    source = READERS[reader](str(path.parent))
    return lambda: sum(1 for _ in source.read_file(path.name))


def main() -> None:
    serve({name: functools.partial(reading, name) for name in READERS}, PACKAGES)


if __name__ == "__main__":
    main()
