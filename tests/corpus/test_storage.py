"""Opening and publishing: whole files or none, the first writer wins, every failure said in people's words."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from corpus import storage
from corpus.errors import SourceError, StoreError


def test_the_first_writer_wins(tmp_path: Path) -> None:
    url = str(tmp_path / "a" / "marker.json")
    results: list[bool] = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(storage.publish(url, b"%d" % n))) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False] * 7 + [True]
    assert storage.list_files(str(tmp_path)) == ["a/marker.json"]
    assert not storage.publish(url, b"late")
    assert storage.read_bytes(url) != b"late"


def test_a_new_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    file = storage.NewFile(str(tmp_path / "part"))
    file.write(b"half")
    assert not (tmp_path / "part").exists()
    file.write(memoryview(b" and half"))
    file.publish()
    file.discard()
    assert (tmp_path / "part").read_bytes() == b"half and half"
    assert [path.name for path in tmp_path.iterdir()] == ["part"]
    assert file.size == 13
    abandoned = storage.NewFile(str(tmp_path / "other"))
    abandoned.write(b"x")
    abandoned.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["part"]


def test_what_cannot_be_opened_or_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SourceError, match="cannot open"):
        storage.open_input(str(tmp_path / "absent"))
    with pytest.raises(SourceError, match="cannot open"):
        storage.open_input(str(tmp_path / "file" / "below"))
    with pytest.raises(StoreError, match="cannot write"):
        storage.publish(str(tmp_path / "file" / "below"), b"")
    with pytest.raises(StoreError, match="cannot write"):
        storage.NewFile(str(tmp_path / "file" / "below"))


def test_listings_are_sorted_and_relative(tmp_path: Path) -> None:
    for name in ("b", "a/c", "a/b", "Z"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert storage.list_files(str(tmp_path)) == ["Z", "a/b", "a/c", "b"]
    assert storage.list_sizes(f"file://{tmp_path}") == {"Z": 1, "a/b": 3, "a/c": 3, "b": 1}
    assert storage.list_files(str(tmp_path / "absent")) == []
    storage.remove(str(tmp_path / "a"))
    storage.remove(str(tmp_path / "Z"))
    storage.remove(str(tmp_path / "absent"))
    assert storage.list_files(str(tmp_path)) == ["b"]
