"""datatrove's readers over files, again and again: for every line `READER FILE` on stdin, one line of JSON.

The first line printed holds the versions. The cost is that of reading alone, after a first reading that loads what
is loaded once.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

from datatrove.pipeline.readers import JsonlReader, ParquetReader, WarcReader

READERS = {
    "jsonl": lambda folder: JsonlReader(folder),
    "parquet": lambda folder: ParquetReader(folder, read_metadata=False),
    "warc": lambda folder: WarcReader(folder),
}
PACKAGES = ("datatrove", "faust-cchardet", "orjson", "pyarrow", "python-magic", "warcio")


def read(reader: str, path: Path) -> dict[str, float]:
    """One reading: documents, their characters, CPU seconds."""
    documents = characters = 0
    source = READERS[reader](str(path.parent))
    start = time.process_time()
    for document in source.read_file(path.name):
        documents += 1
        characters += len(document.text)
    return {"documents": documents, "characters": characters, "cpu_s": time.process_time() - start}


def main() -> None:
    versions = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    print(json.dumps(versions), flush=True)
    seen: set[str] = set()
    for line in sys.stdin:
        reader, _, path = line.strip().partition(" ")
        if line not in seen:
            seen.add(line)
            read(reader, Path(path))
        print(json.dumps(read(reader, Path(path))), flush=True)


if __name__ == "__main__":
    main()
