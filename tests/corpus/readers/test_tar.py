import contextlib
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import DamagedContainerError
from corpus.readers.jsonl import read_jsonl
from corpus.readers.lines import read_lines
from corpus.readers.tar import untar


def packed(files: Mapping[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=form) as tar:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def read(archive: bytes) -> bytes:
    return b"".join(untar(io.BytesIO(archive), "a.tar"))


LINES = [json.dumps({"text": f"page {i}", "meta": {"title": "t", "lang": "en"}}).encode() for i in range(300)]
FILES = {
    "2020/one.jsonl.zst": zstandard.compress(b"\n".join(LINES[:100]) + b"\n"),
    "2020/two.jsonl.zst": zstandard.compress(b"\n".join(LINES[100:200])),  # its last line is not terminated
    "three.jsonl.gz": gzip.compress(b"\n".join(LINES[200:]) + b"\n", mtime=0),
    "n" * 300 + ".txt": b"",
}


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_members_are_one_stream_of_lines(form: int) -> None:
    archive = packed(FILES, form)
    hasher = hashlib.sha256()
    chunks = untar(io.BytesIO(archive), "a.tar", hasher)
    texts = [text for records in read_jsonl(read_lines(chunks)) for text in records.text]
    assert texts == [b"page %d" % i for i in range(300)]
    assert hasher.digest() == hashlib.sha256(archive).digest()


def test_a_link_is_no_file() -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        link = tarfile.TarInfo("link.jsonl")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert read(archive.getvalue()) == b""


@pytest.mark.parametrize("name", ["/etc/passwd", "../a.jsonl", "a/../../b.jsonl"])
def test_a_member_outside_the_folder_is_an_error(name: str) -> None:
    with pytest.raises(DamagedContainerError, match="outside its folder"):
        read(packed({name: b"a\n"}))


def test_before_a_member_that_is_not_what_its_name_says_nothing_is_lost() -> None:
    archive = packed({"a.jsonl": b'{"text": "a"}\n{"text": "b"}\n', "b.jsonl.gz": b'{"text": "c"}\n'})
    texts: list[bytes] = []
    with pytest.raises(DamagedContainerError, match="in the tar file, the file does not begin as gzip does"):
        for records in read_jsonl(read_lines(untar(io.BytesIO(archive), "a.tar"))):
            texts += records.text
    assert texts == [b"a", b"b"]


def test_wherever_it_is_cut_it_is_damaged() -> None:
    archive = packed({"a.txt": b"a" * 700, "b.txt": b"b" * 700})
    end = len(archive.rstrip(b"\0")) + 512 - len(archive.rstrip(b"\0")) % 512
    for cut in range(0, end + 512, 64):
        with pytest.raises(DamagedContainerError):
            read(archive[:cut])
    assert read(archive[: end + 512]) == b"a" * 700 + b"\n" + b"b" * 700 + b"\n"


def test_a_damaged_header_is_not_the_end() -> None:
    archive = bytearray(packed({"a.txt": b"a\n", "b.txt": b"b\n"}))
    archive[archive.index(b"b.txt")] ^= 1
    with pytest.raises(DamagedContainerError):
        read(bytes(archive))


@given(st.integers(0, 5000), st.binary(min_size=1, max_size=40))
def test_damage_is_an_error_of_ours_or_nothing(at: int, garbage: bytes) -> None:
    archive = bytearray(packed(FILES))
    archive[at : at + len(garbage)] = garbage
    with contextlib.suppress(DamagedContainerError):
        read(bytes(archive))
