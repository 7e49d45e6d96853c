"""The seam to torch.distributed.checkpoint's writer: each process hashes what it writes while it writes it.

Sizes and digests travel to the coordinator with what the processes say of their writes anyway. It has them when
all have written and synced their files: the first phase of the commit is over, and the second is its caller's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from torch.distributed.checkpoint.filesystem import FileSystem, FileSystemWriter

from training.commit import FileEntry


class _HashedFile:
    """A file being written from its beginning to its end."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._digest, self._size = file, hashlib.sha256(), 0
        self.failure: OSError | None = None

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        left = view
        try:
            while left:  # a disk that fills takes a part first
                left = left[self._file.write(left) :]
        except OSError as error:
            self.failure = error
            raise
        self._digest.update(view)
        self._size += len(view)
        return len(view)

    def tell(self) -> int:
        return self._size

    def fileno(self) -> int:
        return self._file.fileno()

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def entry(self) -> FileEntry:
        return FileEntry(self._size, self._digest.hexdigest())


class _HashingFileSystem(FileSystem):
    """Torch's own, but that it knows what it has written, and overwrites nothing."""

    def __init__(self) -> None:
        self.written: dict[str, FileEntry] = {}

    @contextmanager
    def create_stream(self, path: Any, mode: str) -> Iterator[Any]:
        with open(path, "xb" if mode == "wb" else mode, buffering=0) as file:
            hashed = _HashedFile(file)
            try:
                yield hashed
            except Exception as error:  # torch.save has a word of its own for what the file said
                raise hashed.failure or error from error
        self.written[Path(path).name] = hashed.entry()

    def rename(self, path: Any, new_path: Any) -> None:
        super().rename(path, new_path)
        self.written[Path(new_path).name] = self.written.pop(Path(path).name)


@dataclass(frozen=True)
class _Written:
    """What a process wrote, among what it says of its writes."""

    files: dict[str, FileEntry]


class HashingWriter(FileSystemWriter):
    """Writes a checkpoint's files into a new folder.

    Args:
        folder: Where.
        commit: Called once, in the coordinator, with all files of all processes: they are on disk.
    """

    def __init__(self, folder: Path, commit: Callable[[dict[str, FileEntry]], None]) -> None:
        super().__init__(folder, overwrite=False)
        self.fs = _HashingFileSystem()
        self._commit = commit

    def write_data(self, plan: Any, planner: Any) -> Any:
        """As torch has it, and one more in the list: `_Written`."""
        return (
            super().write_data(plan, planner).then(lambda done: [*done.value(), _Written(dict(self.fs.written))])
        )

    def finish(self, metadata: Any, results: list[list[Any]]) -> None:
        """As torch has it; then commits."""
        writes = [[each for each in own if not isinstance(each, _Written)] for own in results]
        said = [each for own in results for each in own if isinstance(each, _Written)]
        super().finish(metadata, writes)
        files = dict(self.fs.written)
        for written in said:
            files |= written.files
        self._commit(files)
