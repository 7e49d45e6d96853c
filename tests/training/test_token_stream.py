"""Windows against the plain concatenation of the shards' tokens, and what verification finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_corpus import copy_of_corpus, shard_files, small_corpus

from corpus.errors import IntegrityError, RecipeError, SourceError
from corpus.mapped_corpus import MappedCorpus
from corpus.window_order import Segment, WindowOrder
from training.token_stream import TokenStream, cut_windows


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=8), st.integers(1, 17))
def test_windows_are_the_tokens_end_to_end(lengths: list[int], width: int) -> None:
    tokens = np.arange(sum(lengths), dtype=np.uint16)
    shards = np.split(tokens, np.cumsum(lengths)[:-1]) if lengths else []
    tables, tail = cut_windows(shards, width)
    count = len(tokens) // width
    found = np.concatenate(tables) if tables else np.zeros((0, width), np.uint16)
    assert found.tolist() == tokens[: count * width].reshape(count, width).tolist()
    assert tail == len(tokens) - count * width


@pytest.mark.parametrize("sequence", [31, 2048])
def test_a_batch_holds_the_tokens_of_its_windows(sequence: int) -> None:
    ref = small_corpus()
    corpus = MappedCorpus.open(ref)
    stream = TokenStream(corpus, "train", sequence)
    raw = {
        source: np.concatenate([np.fromfile(f, "<u2") for f in shard_files(ref, ".bin") if _is_of(f, source)])
        for source in ("alpha", "beta", "gamma")
    }
    width = sequence + 1
    assert stream.windows == {source: len(tokens) // width for source, tokens in raw.items()}
    assert stream.tails == {source: len(tokens) % width for source, tokens in raw.items()}
    order = WindowOrder(stream.windows, 1, 64, [Segment()])
    for data_step in (0, 1, 100):
        ids = order.batch(data_step)
        expected = [
            raw[order.sources[source]][window * width : (window + 1) * width].tolist()
            for source, window in zip(ids.source.tolist(), ids.window.tolist(), strict=True)
        ]
        assert stream.read(ids).tolist() == expected


def _is_of(path: Path, source: str) -> bool:
    return path.name.startswith(source) and "-valid-" not in path.name


def test_an_epoch_of_the_union_reads_every_token_but_the_tails() -> None:
    corpus = MappedCorpus.open(small_corpus())
    stream = TokenStream(corpus, "train", 100)
    order = WindowOrder(stream.windows, 1, sum(stream.windows.values()), [Segment()])
    seen = np.bincount(stream.read(order.batch(3)).ravel(), minlength=1 << 16)
    everything = sum(shard.tokens for shard in corpus.manifest.shards if shard.split == "train")
    assert seen.sum() + sum(stream.tails.values()) == everything
    assert np.array_equal(seen, np.bincount(stream.read(order.batch(8)).ravel(), minlength=1 << 16))


@pytest.mark.parametrize("how", ["full", "sample", "off"])
def test_as_much_is_verified_as_is_asked_for(how: str) -> None:
    corpus = MappedCorpus.open(small_corpus())
    sources = {(shard.source, shard.split) for shard in corpus.manifest.shards}
    expected = {"full": len(corpus.manifest.shards), "sample": len(sources), "off": 0}
    assert corpus.verify(how) == expected[how]  # type: ignore[arg-type]


def test_a_flipped_bit_of_any_shard_is_found(tmp_path: Path) -> None:
    ref = copy_of_corpus(tmp_path)
    for path in [*shard_files(ref, ".bin")[:3], *shard_files(ref, ".idx")[:3]]:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 4
        path.write_bytes(data)
        with pytest.raises(IntegrityError, match="damaged"):
            MappedCorpus.open(ref).verify("full")
        data[len(data) // 2] ^= 4
        path.write_bytes(data)
    assert MappedCorpus.open(ref).verify("full")


def test_a_shard_cut_short_or_gone_is_found_without_verification(tmp_path: Path) -> None:
    ref = copy_of_corpus(tmp_path)
    first, second = shard_files(ref, ".bin")[:2]
    whole = first.read_bytes()
    first.write_bytes(whole[:-2])
    with pytest.raises(IntegrityError, match="damaged"):
        TokenStream(MappedCorpus.open(ref), "train", 31)
    first.write_bytes(whole)
    second.unlink()
    with pytest.raises(IntegrityError, match="cannot be opened"):
        TokenStream(MappedCorpus.open(ref), "train", 31)


def test_what_is_no_corpus_here_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="object store"):
        MappedCorpus.open("s3://bucket/store/refs/small/1.0.0")
    with pytest.raises(SourceError, match="no such ref"):
        MappedCorpus.open(str(tmp_path / "refs" / "small" / "1.0.0"))
    ref = copy_of_corpus(tmp_path)
    other = Path(ref).with_name("2.0.0")
    other.write_bytes(Path(ref).read_bytes())
    with pytest.raises(IntegrityError, match="names another corpus"):
        MappedCorpus.open(str(other))
    with pytest.raises(RecipeError, match="50,257 ids"):
        MappedCorpus.open(ref).check_vocabulary(50_000)
