"""Shards against a parser written here from the format's description, and every damage one byte can do."""

from __future__ import annotations

import hashlib
import resource
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import IntegrityError, StoreError
from corpus.shard import Shard, ShardFacts, find_document, verify_shard, write_shard
from corpus.tokenizer import Tokens

Documents = list[list[int]]
DOCUMENTS: Documents = [[15496, 995, 50256], [50256], [0, 65535, 1, 50256], [7, 50256]]


def tokens(documents: Documents) -> Tokens:
    offsets = np.cumsum([0, *map(len, documents)])
    return Tokens(np.array([number for document in documents for number in document], np.uint16), offsets)


def write(stem: Path, documents: Documents, batch: int = 3) -> ShardFacts:
    return write_shard(str(stem), (tokens(documents[i : i + batch]) for i in range(0, len(documents), batch)))


def parse(stem: Path) -> Documents:
    """Reads a shard as Megatron does, by `struct` alone: lengths and pointers, then the document index."""
    ids, idx = stem.with_suffix(".bin").read_bytes(), stem.with_suffix(".idx").read_bytes()
    assert idx[:9] == b"MMIDIDX\x00\x00"
    version, code, sequences, documents = struct.unpack("<QBQQ", idx[9:34])
    assert (version, code) == (1, 8)
    lengths = struct.unpack_from(f"<{sequences}i", idx, 34)
    pointers = struct.unpack_from(f"<{sequences}q", idx, 34 + 4 * sequences)
    bounds = struct.unpack_from(f"<{documents}q", idx, 34 + 12 * sequences)
    assert len(idx) == 34 + 12 * sequences + 8 * documents
    assert bounds == tuple(range(sequences + 1))
    assert sum(lengths) * 2 == len(ids)
    return [
        list(struct.unpack_from(f"<{length}H", ids, pointer))
        for length, pointer in zip(lengths, pointers, strict=True)
    ]


@given(st.lists(st.lists(st.integers(0, 65_535), max_size=9), max_size=20), st.integers(1, 5))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, documents: Documents, batch: int
) -> None:
    stem = tmp_path_factory.mktemp("shard") / "reddit-00000"
    facts = write(stem, documents, batch)
    assert parse(stem) == documents
    shard = Shard.open(str(stem))
    assert [shard.document(row).tolist() for row in range(len(shard))] == documents
    assert shard.tokens.tolist() == [number for document in documents for number in document]
    holders = [row for row, document in enumerate(documents) for _ in document]
    assert [shard.find(token) for token in range(facts.tokens)] == holders
    verify_shard(str(stem), facts)
    assert sorted(path.name for path in stem.parent.iterdir()) == ["reddit-00000.bin", "reddit-00000.idx"]


def test_facts_are_frozen(tmp_path: Path) -> None:
    facts = write(tmp_path / "a", DOCUMENTS)
    assert facts == ShardFacts(
        documents=4,
        tokens=10,
        bin_bytes=20,
        bin_sha256="36d322a043b7917333830c8aa2875f72ced6ffaca3e8d321eaea6261cfb37319",
        idx_bytes=34 + 4 * 4 + 8 * 4 + 8 * 5,
        idx_sha256="5896e403836783c999784b99f0b3c2c02753d13b4d44cd907950a5cc2381ea5a",
    )
    assert facts.bin_sha256 == hashlib.sha256((tmp_path / "a.bin").read_bytes()).hexdigest()
    assert facts.idx_sha256 == hashlib.sha256((tmp_path / "a.idx").read_bytes()).hexdigest()


def test_batches_leave_no_trace(tmp_path: Path) -> None:
    facts = {write(tmp_path / f"{batch}", DOCUMENTS, batch) for batch in (1, 2, 4)}
    assert len(facts) == 1


def test_a_second_attempt_changes_nothing(tmp_path: Path) -> None:
    first = write(tmp_path / "a", DOCUMENTS)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert write(tmp_path / "a", DOCUMENTS) == first
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_failed_attempt_leaves_nothing(tmp_path: Path) -> None:
    def batches() -> Iterator[Tokens]:
        yield tokens(DOCUMENTS)
        raise OSError("the spill file is gone")

    with pytest.raises(OSError, match="the spill file is gone"):
        write_shard(str(tmp_path / "a"), batches())
    assert list(tmp_path.iterdir()) == []


def test_a_shard_goes_to_an_object_store() -> None:
    memory = fsspec.filesystem("memory")
    write_shard("memory://store/deep/a", [tokens(DOCUMENTS)])
    first = memory.cat_file("/store/deep/a.bin")
    assert first == tokens(DOCUMENTS).ids.tobytes()
    memory.rm("/store", recursive=True)


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot write to the store"):
        write(tmp_path / "file" / "a", DOCUMENTS)

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StoreError, match="too large"):
            write(tmp_path / "a", [[1] * 200_000])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_document_longer_than_the_index_can_say(tmp_path: Path) -> None:
    endless = Tokens(np.zeros(0, np.uint16), np.array([0, 2**31], np.int64))
    with pytest.raises(StoreError, match="more tokens than an index can hold"):
        write_shard(str(tmp_path / "a"), [endless])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def shard(tmp_path: Path) -> tuple[Path, ShardFacts]:
    return tmp_path / "a", write(tmp_path / "a", DOCUMENTS)


def test_one_flipped_bit_anywhere_is_found(shard: tuple[Path, ShardFacts]) -> None:
    stem, facts = shard
    for suffix in (".bin", ".idx"):
        path = stem.with_suffix(suffix)
        sound = path.read_bytes()
        for byte in range(len(sound)):
            for bit in range(8):
                path.write_bytes(sound[:byte] + bytes([sound[byte] ^ 1 << bit]) + sound[byte + 1 :])
                with pytest.raises(IntegrityError, match="sha256"):
                    verify_shard(str(stem), facts)
                if suffix == ".idx":  # all of its numbers follow from one another: opening finds it, too
                    with pytest.raises(IntegrityError, match="byte"):
                        Shard.open(str(stem))
        path.write_bytes(sound)
    verify_shard(str(stem), facts)


@pytest.mark.parametrize(
    ("at", "form", "value", "what"),
    [
        (8, "B", 1, "byte 0"),
        (9, "<Q", 2, "byte 9"),
        (17, "B", 4, "byte 17"),
        (18, "<Q", 5, "byte 26"),
        (26, "<Q", 4, "byte 26"),
        (34 + 4, "<i", -1, "byte 38"),
        (34 + 4, "<i", 2, "byte 66"),  # the length of document 1 moves the start of document 2
        (34 + 12, "<i", 9, "byte 20"),  # the length of the last only shows in .bin
        (50 + 8, "<q", 8, "byte 58"),
        (50 + 32 + 16, "<q", 3, "byte 98"),
    ],
)
def test_a_wrong_number_is_named_by_its_byte(
    shard: tuple[Path, ShardFacts], at: int, form: str, value: int, what: str
) -> None:
    stem, _ = shard
    idx = bytearray(stem.with_suffix(".idx").read_bytes())
    struct.pack_into(form, idx, at, value)
    stem.with_suffix(".idx").write_bytes(idx)
    with pytest.raises(IntegrityError) as caught:
        Shard.open(str(stem))
    assert caught.value.where.endswith(what)


@pytest.mark.parametrize("suffix", [".bin", ".idx"])
def test_a_cut_or_lengthened_file_is_refused(shard: tuple[Path, ShardFacts], suffix: str) -> None:
    stem, _ = shard
    path = stem.with_suffix(suffix)
    sound = path.read_bytes()
    for wrong in (*(sound[:end] for end in range(len(sound))), sound + b"\0", sound + b"\0\0"):
        path.write_bytes(wrong)
        with pytest.raises(IntegrityError):
            Shard.open(str(stem))


def test_other_facts_are_refused(shard: tuple[Path, ShardFacts]) -> None:
    stem, facts = shard
    for wrong in (
        replace(facts, documents=5),
        replace(facts, tokens=9),
        replace(facts, bin_bytes=18),
    ):
        with pytest.raises(IntegrityError, match="not what its facts say"):
            verify_shard(str(stem), wrong)


def test_an_absent_shard_is_an_error_of_integrity(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="cannot be opened"):
        Shard.open(str(tmp_path / "a"))


def test_a_shard_knows_its_bounds(shard: tuple[Path, ShardFacts]) -> None:
    opened = Shard.open(str(shard[0]))
    for row in (-1, 4):
        with pytest.raises(IndexError):
            opened.document(row)
    for token in (-1, 10):
        with pytest.raises(IndexError):
            opened.find(token)
    with pytest.raises(ValueError, match="read-only"):
        opened.tokens[0] = 1


def test_a_document_is_found_by_any_of_its_tokens(shard: tuple[Path, ShardFacts]) -> None:
    stem, facts = shard
    opened = Shard.open(str(stem))
    for token in range(facts.tokens):
        number, first, tokens = find_document(str(stem), token)
        assert number == opened.find(token)
        assert (first, first + tokens) == (opened.starts[number], opened.starts[number + 1])
    for token in (-1, facts.tokens):
        with pytest.raises(IntegrityError, match="no document of the index"):
            find_document(str(stem), token)
