"""The compressed files of the dumps: their frames, windows, checksums and headers."""

from __future__ import annotations

import bz2
from collections import Counter
from dataclasses import dataclass

import zstandard

# The Pile and every dump rewritten by the usual tools: level 3, whose window is 2 MiB.
LEVEL = 3
# Pushshift's own files: a window of 2 GiB, which `zstd -d` refuses without --long=31.
PUSHSHIFT_WINDOW_LOG = 31


@dataclass(frozen=True)
class DumpFile:
    """A finished file of the sample.

    Attributes:
        name: Path below the sample's folder.
        data: The compressed bytes.
        records: Lines, damaged ones included.
        texts: UTF-8 bytes of text by set, markup of the format excluded.
    """

    name: str
    data: bytes
    records: int
    texts: Counter[str]


def text_bytes(text: str) -> int:
    """Length in UTF-8, a lone surrogate counted as three bytes."""
    return len(text.encode("utf-8", "surrogatepass"))


def zstd(data: bytes, *, frames: int = 1, window_log: int = 0, checksum: bool = False) -> bytes:
    """Compresses to zstd frames that, like the dumps', do not state the content's size.

    Args:
        data: The uncompressed stream.
        frames: How many frames, of about equal content; a frame may end inside a line.
        window_log: Base-2 logarithm of the window, bytes; 0 for the level's own.
        checksum: Whether each frame ends with an XXH64 checksum.

    Returns:
        The frames, one after the other.
    """
    parameters = zstandard.ZstdCompressionParameters.from_level(
        LEVEL, window_log=window_log, write_content_size=False, write_checksum=checksum
    )
    step = -(-len(data) // frames)
    parts = []
    for start in range(0, len(data), step):
        # A stream, not one call: told the size, zstd would shrink the window to it.
        stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        parts += [stream.compress(data[start : start + step]), stream.flush()]
    return b"".join(parts)


def bzip2(data: bytes) -> bytes:
    """Compresses to one bzip2 stream, as the dumps up to 2017-11 were served."""
    return bz2.compress(data, 9)
