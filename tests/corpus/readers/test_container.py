import bz2
import gzip
import hashlib
import io
import lzma
import random
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import DamagedContainerError, SourceError
from corpus.readers.container import CHUNK_BYTES, decompress, hash_rest


def zstd_with_checksum(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


PACK: dict[str, Callable[[bytes], bytes]] = {
    ".zst": zstd_with_checksum,
    ".gz": lambda content: gzip.compress(content, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
CONTENT = b"".join(b'{"text": "line %d"}\n' % n for n in range(300))


class Recorder:
    """Stands where a hashlib object would, and keeps what it was given."""

    def __init__(self) -> None:
        self.seen = b""

    def update(self, data: bytes, /) -> None:
        self.seen += data


class ShortReads(io.RawIOBase):
    """A file whose reads give a few bytes at a time, as a remote one may."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(min(size, 7))


def read(data: bytes, suffix: str) -> tuple[bytes, DamagedContainerError | None]:
    """What a file gives, and what it ends with; whatever that is, the hasher has seen each raw byte once."""
    recorder = Recorder()
    file = io.BytesIO(data)
    content, damage = b"", None
    try:
        for chunk in decompress(file, "sample.jsonl" + suffix, recorder):
            content += chunk
    except DamagedContainerError as error:
        damage = error
        hash_rest(file, recorder)
    assert recorder.seen == data
    return content, damage


@pytest.mark.parametrize("suffix", ["", *PACK])
@pytest.mark.parametrize("size", [0, 1, 100_000, 3 * CHUNK_BYTES + 1])
def test_content_comes_back_in_chunks(suffix: str, size: int) -> None:
    content = random.Random(size).randbytes(size // 2).ljust(size, b"x")
    data = PACK[suffix](content) if suffix else content
    hasher = hashlib.sha256()
    chunks = list(decompress(io.BytesIO(data), "sample" + suffix, hasher))
    assert b"".join(chunks) == content
    assert all(CHUNK_BYTES <= len(chunk) <= CHUNK_BYTES + 2**17 for chunk in chunks[:-1])
    assert hasher.digest() == hashlib.sha256(data).digest()


def test_the_suffix_is_read_in_any_case() -> None:
    assert b"".join(decompress(io.BytesIO(gzip.compress(CONTENT)), "SAMPLE.JSONL.GZ")) == CONTENT


@pytest.mark.parametrize("suffix", ["", *PACK])
def test_short_reads_change_nothing(suffix: str) -> None:
    data = PACK[suffix](CONTENT) if suffix else CONTENT
    assert b"".join(decompress(ShortReads(data), "sample" + suffix)) == CONTENT


@pytest.mark.parametrize("suffix", PACK)
def test_cut_anywhere_is_damage_but_between_streams(suffix: str) -> None:
    streams = [PACK[suffix](part) for part in (CONTENT[:2000], b"", CONTENT[2000:])]
    data = b"".join(streams)
    whole = {len(streams[0]): CONTENT[:2000], len(streams[0] + streams[1]): CONTENT[:2000], len(data): CONTENT}
    for cut in range(len(data) + 1):
        content, damage = read(data[:cut], suffix)
        if cut in whole:
            assert (content, damage) == (whole[cut], None)
        else:
            assert damage is not None, f"cut at {cut} of {len(data)}"
            assert CONTENT.startswith(content)


@pytest.mark.parametrize(
    ("suffix", "library"),
    [
        (".gz", lambda: zlib.decompressobj(wbits=31)),
        (".bz2", bz2.BZ2Decompressor),
        (".xz", lzma.LZMADecompressor),
    ],
)
def test_before_a_cut_nothing_is_lost(suffix: str, library: Callable[[], bz2.BZ2Decompressor]) -> None:
    content = random.Random(7).randbytes(5000).hex().encode() * 40
    data = PACK[suffix](content)
    for cut in range(20, len(data), 97):
        assert read(data[:cut], suffix)[0] == library().decompress(data[:cut])


def test_before_a_cut_every_whole_zstd_block_is_given() -> None:
    compressor = zstandard.ZstdCompressor().compressobj()
    data, ends = b"", []
    for n in range(20):
        data += compressor.compress(b"%d " % n * 500)
        data += compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        ends.append((len(data), n))
    data += compressor.flush()
    for cut in range(18, len(data)):
        content, damage = read(data[:cut], ".zst")
        assert damage is not None
        assert content == b"".join(b"%d " % n * 500 for end, n in ends if end <= cut)


@pytest.mark.parametrize("suffix", PACK)
def test_a_flipped_bit_is_found(suffix: str) -> None:
    data = PACK[suffix](CONTENT)
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        try:
            content, damage = read(bytes(flipped), suffix)
        except SourceError:
            assert position < 10  # the magic
            continue
        # Some bits say nothing of the content: gzip's time stamp, say.
        assert damage is not None or content == CONTENT


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("garbage", [b"g", b"garbage", b"\0garbage", b"\n", b"\x28\xb5\x2f\xfd"])
def test_what_follows_must_be_a_stream(suffix: str, garbage: bytes) -> None:
    content, damage = read(PACK[suffix](CONTENT) + garbage, suffix)
    assert content == CONTENT
    assert damage is not None


@pytest.mark.parametrize(
    ("suffix", "zeros", "allowed"),
    [(".gz", 1, True), (".gz", 70_000, True), (".xz", 8, True), (".xz", 6, False), (".bz2", 4, False)],
)
def test_padding(suffix: str, zeros: int, allowed: bool) -> None:
    stream = PACK[suffix](CONTENT)
    for tail, expected in [(b"", CONTENT), (stream, CONTENT * 2)]:
        content, damage = read(stream + bytes(zeros) + tail, suffix)
        assert (damage is None) == allowed
        if allowed:
            assert content == expected


def test_skippable_frames_are_passed_over() -> None:
    def skippable(low: int, size: int) -> bytes:
        return bytes([low]) + b"\x2a\x4d\x18" + size.to_bytes(4, "little") + bytes(size)

    frame = PACK[".zst"](CONTENT)
    assert read(skippable(0x50, 200_000) + frame + skippable(0x5F, 0) + frame, ".zst") == (CONTENT * 2, None)
    assert read(frame + skippable(0x50, 9)[:-1], ".zst")[1] is not None


def test_the_widest_zstd_window() -> None:
    parameters = zstandard.ZstdCompressionParameters(
        window_log=31, hash_log=12, chain_log=12, strategy=zstandard.STRATEGY_FAST
    )
    content = random.Random(31).randbytes(1_500_000) * 2
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = compressor.compress(content) + compressor.flush()
    assert zstandard.get_frame_parameters(data).window_size == 2**31
    assert read(data, ".zst") == (content, None)


@pytest.mark.parametrize("suffix", PACK)
def test_a_bomb_streams(suffix: str) -> None:
    size = 2**25
    data = PACK[suffix](bytes(size))
    tracemalloc.start()
    try:
        delivered = 0
        for chunk in decompress(io.BytesIO(data), "bomb" + suffix):
            delivered += len(chunk)
            assert len(chunk) <= CHUNK_BYTES + 2**17
        assert tracemalloc.get_traced_memory()[1] < size / 2  # of which xz's own window takes 8 MiB
    finally:
        tracemalloc.stop()
    assert delivered == size


@pytest.mark.parametrize("held", PACK)
@pytest.mark.parametrize("suffix", ["", ".jsonl", *PACK])
def test_a_file_that_is_not_what_its_name_says(held: str, suffix: str) -> None:
    if held == suffix:
        return
    with pytest.raises(SourceError, match="rename it") as raised:
        decompress(io.BytesIO(PACK[held](CONTENT)), "sample" + suffix)
    assert not isinstance(raised.value, DamagedContainerError)


@pytest.mark.parametrize("suffix", PACK)
def test_text_that_is_named_as_compressed(suffix: str) -> None:
    with pytest.raises(SourceError, match="does not begin"):
        decompress(io.BytesIO(CONTENT), "sample" + suffix)


@pytest.mark.parametrize("suffix", PACK)
def test_an_empty_compressed_file_is_damage(suffix: str) -> None:
    with pytest.raises(DamagedContainerError):
        decompress(io.BytesIO(), "sample" + suffix)


def test_an_error_says_where_and_what_to_do() -> None:
    frames = PACK[".zst"](CONTENT), PACK[".zst"](CONTENT)
    _, damage = read(frames[0] + b"xyz!" + frames[1], ".zst")
    assert damage is not None
    assert (
        damage.where
        == f"sample.jsonl.zst, {len(frames[0]) + 4} bytes into the file, {len(CONTENT)} bytes into its content"
    )
    assert 'on_damage = "keep-what-was-read"' in damage.remedy


@pytest.mark.parametrize("suffix", PACK)
@given(st.data())
def test_garbage_ends(suffix: str, data: st.DataObject) -> None:
    good = PACK[suffix](CONTENT)
    start = data.draw(st.integers(10, len(good)))
    raw = good[:start] + data.draw(st.binary(max_size=200)) + good[data.draw(st.integers(start, len(good))) :]
    content, damage = read(raw, suffix)
    assert damage is not None or content == CONTENT
