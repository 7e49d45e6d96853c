"""datatrove's readers over files, again and again; takes turns.

The cost is that of reading alone, after a first reading that loads what is loaded once.
"""

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
    _load(reader, path)
    source = READERS[reader](str(path.parent))
    return lambda: sum(1 for _ in source.read_file(path.name))


@functools.cache
def _load(reader: str, path: Path) -> None:
    for _ in READERS[reader](str(path.parent)).read_file(path.name):
        pass


def main() -> None:
    serve({name: functools.partial(reading, name) for name in READERS}, PACKAGES)


if __name__ == "__main__":
    main()
