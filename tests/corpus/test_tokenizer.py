"""Ids against tiktoken and against one another, vocabularies as written down, and what is no vocabulary."""

from __future__ import annotations

import functools
import hashlib
import json
import random
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

import corpus
from corpus.document import Texts
from corpus.encoders import behaviour_digest, choose_encoder
from corpus.errors import IntegrityError, RecipeError, SourceError
from corpus.tokenizer import Encoder, Vocabulary, encode_documents, gpt2_merges, load_vocabulary, strip_end

DATA = Path(corpus.__file__).parent / "vocabulary"

# OpenAI's own pattern. Source: openai/gpt-2, src/encoder.py.
PATTERN = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""

# Letters for Unicode 17.0 and not for 16.0: here gigatoken 0.10 and tokenizers 0.23 part.
DISPUTED = "\u088f\u0c5c\u0cdc\ua7ce\ua7f1\U00010940\U00011db6\U00011de0\U00016ea0\U00018d80\U0001e6e8\U000323b0"

ATOMS = (
    *("'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'", "''s", "\u2019s", " 's"),
    *(
        " ",
        "  ",
        "   ",
        "\t",
        "\n",
        "\r\n",
        "\x0b",
        "\x1c",
        "\x85",
        "\xa0",
        "\u2003",
        "\u2028",
        "\u3000",
        "\u200b",
    ),
    *("a", "the", " The", "Zürich", "e\u0301", "日本", "한국", "עברית", "ทดสอบ", "हिन्दी", "Ω", "ß", "ﬁ"),
    *("0", "12", " 2026", "½", "²", "Ⅷ", "٣", "১"),
    *(".", ",", "!?", "--", "<|endoftext|>", "</s>", "_", "€", "👋🏽", "👩\u200d👩\u200d👧", "\ufe0f", "\ufeff"),
    *("\0", "\x7f", "\ufffd", "\ufffe", "\U0010ffff", "\ue000", "\u0378", *DISPUTED),
)
CHARACTERS = st.characters(exclude_categories=["Cs"])
TEXTS = st.lists(st.sampled_from(ATOMS) | CHARACTERS, max_size=12).map("".join)
PADDED = st.builds(lambda pad, n, text: pad * n + text, st.sampled_from("a =1\n"), st.integers(0, 140), TEXTS)


@functools.cache
def encoder(name: str) -> Encoder:
    if name == "fast":
        pytest.importorskip("gigatoken")
    return choose_encoder(name)


load_opt = functools.cache(load_vocabulary)


@functools.cache
def gpt2() -> Vocabulary:
    return load_vocabulary("gpt2")


PRINTING = [byte for byte in range(256) if chr(byte).isprintable() and byte not in (0x20, 0xA0, 0xAD)]


@functools.cache
def spelled_tokens() -> list[str]:
    """GPT-2's tokens in its order, but for the last, as its files spell them."""
    lines = (DATA / "gpt2" / "vocab.bpe").read_text("utf-8").split("\n")[1:-1]
    others = map(chr, range(256, 512 - len(PRINTING)))
    return [*map(chr, PRINTING), *others, *(line.replace(" ", "") for line in lines)]


@functools.cache
def oracle() -> tiktoken.Encoding:
    """GPT-2 by tiktoken, from the merges as read here."""
    others = [byte for byte in range(256) if byte not in PRINTING]
    byte_of = {chr(byte): byte for byte in PRINTING} | {chr(256 + i): byte for i, byte in enumerate(others)}
    ranks = {bytes(map(byte_of.__getitem__, token)): rank for rank, token in enumerate(spelled_tokens())}
    return tiktoken.Encoding("gpt2", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})


def texts(*parts: str) -> Texts:
    return Texts.from_list([part.encode() for part in parts])


def ids(name: str, *parts: str) -> list[list[int]]:
    tokens = encoder(name).encode(texts(*parts))
    return [tokens[row].tolist() for row in range(len(tokens))]


BOTH = pytest.mark.parametrize("name", ["tokenizers", "fast"])


@BOTH
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Hello world", [15496, 995]),
        ("Hello, world!", [15496, 11, 995, 0]),
        (" Hello world", [18435, 995]),
        (
            "The quick brown fox jumps over the lazy dog.",
            [464, 2068, 7586, 21831, 18045, 625, 262, 16931, 3290, 13],
        ),
        ("\n", [198]),
        ("\n\n", [628]),
        ("don't", [9099, 470]),
        ("日本語", [33768, 98, 17312, 105, 45739, 252]),
        ("👋🏽", [41840, 233, 8582, 237, 121]),
        ('"', [1]),
        ("\0", [188]),
        ("<|endoftext|>", [27, 91, 437, 1659, 5239, 91, 29]),
        ("</s>", [3556, 82, 29]),
    ],
)
def test_published_ids(name: str, text: str, expected: list[int]) -> None:
    assert ids(name, text) == [expected]


@BOTH
@settings(max_examples=300)
@given(parts=st.lists(PADDED, max_size=6))
def test_ids_are_tiktokens(name: str, parts: list[str]) -> None:
    settled = [part for part in parts if all(unicodedata.category(c) != "Cn" for c in part)]
    assert ids(name, *settled) == oracle().encode_ordinary_batch(settled, num_threads=1)


@settings(max_examples=500)
@given(st.lists(PADDED, max_size=6))
def test_the_fast_encoder_gives_the_same_ids(parts: list[str]) -> None:
    assert ids("fast", *parts) == ids("tokenizers", *parts)


def test_every_settled_character_before_a_contraction() -> None:
    """Where an encoder's Unicode table shows; private use apart, which no table tells from the unassigned."""
    characters = [
        chr(c) for c in range(sys.maxunicode + 1) if unicodedata.category(chr(c)) not in ("Cn", "Co", "Cs")
    ]
    rows = [" ".join(f"{c}'s" for c in characters[i : i + 500]) for i in range(0, len(characters), 500)]
    definition = ids("tokenizers", *rows)
    assert ids("fast", *rows) == definition
    assert len(characters) > 140_000


@pytest.mark.parametrize("character", DISPUTED)
def test_a_character_newer_than_the_repertoire_is_the_definitions(character: str) -> None:
    row = [
        f"It is {character}'s.",
        "plain",
        "",
        f"{character}",
        f" {character}{character}'ll {character} 1{character}2",
    ]
    assert ids("fast", *row) == ids("tokenizers", *row)


def test_the_repertoire_is_unicode_14() -> None:
    listed = np.zeros(sys.maxunicode + 1, np.bool_)
    for line in (DATA / "assigned-14.0.txt").read_text().splitlines():
        if not line.startswith("#"):
            first, last = (int(bound, 16) for bound in line.split(".."))
            assert not listed[first : last + 1].any()
            listed[first : last + 1] = True
    now = np.array([unicodedata.category(chr(c)) not in ("Cn", "Cs") for c in range(len(listed))])
    assert not (listed & ~now).any()
    if unicodedata.unidata_version == "14.0.0":
        assert np.array_equal(listed, now)
    # Source: Unicode 14.0: 144,697 characters, 137,468 of private use, 65 controls.
    assert int(listed.sum()) == 144_697 + 137_468 + 65


@BOTH
def test_hard_texts(name: str) -> None:
    long = [
        "a" * 200_000,
        " " * 200_000,
        "=" * 200_000,
        "\n" * 200_000,
        "ab " * 70_000,
        "'s" * 100_000,
        "\0" * 5000,
    ]
    hard = [*long, "", " ", "\n \n", "\u3000\u3000", "x" * 63 + "é", "x" * 64 + "é", "x" * 65 + "é" + DISPUTED[0]]
    found = ids(name, *hard)
    assert found == oracle().encode_ordinary_batch(hard, num_threads=1)


@BOTH
@settings(max_examples=50)
@given(parts=st.lists(TEXTS, max_size=8))
def test_a_text_alone_gets_the_same_ids_as_in_a_batch(name: str, parts: list[str]) -> None:
    assert ids(name, *parts) == [ids(name, part)[0] for part in parts]


def test_forgetting_changes_no_id(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gigatoken")
    monkeypatch.setattr("corpus.encoders._FORGET_AFTER", 20)
    forgetful = choose_encoder("fast")
    for start in range(0, len(ATOMS), 5):
        row = texts(*ATOMS[start : start + 5])
        assert forgetful.encode(row).ids.tolist() == encoder("tokenizers").encode(row).ids.tolist()


@BOTH
def test_behaviour_is_frozen(name: str) -> None:
    # Moves with the Unicode tables of `tokenizers`: 0.23 has those of Unicode 16.0.
    assert behaviour_digest(encoder(name)) == "0a9bb0ac643cf76cef7733c0ba1feb3a8d2b4b7245269fec299fcfd414cb362e"


def test_encoders_name_themselves() -> None:
    assert (encoder("tokenizers").name, encoder("fast").name) == ("tokenizers", "gigatoken")
    assert all(encoder(name).version[0].isdigit() for name in ("tokenizers", "fast"))


def test_a_missing_fast_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gigatoken", None)
    with pytest.raises(RecipeError, match="not installed") as caught:
        choose_encoder("fast")
    assert "pip install 'tokentrail[fast]'" in caught.value.remedy


def test_an_unknown_encoder_is_refused() -> None:
    with pytest.raises(RecipeError, match="no encoder 'slow'"):
        choose_encoder("slow")


# --- Vocabularies ---


def opt_entries(seed: int) -> dict[str, int]:
    """A vocabulary in OPT's form: 4 specials, the tokens by lot, the end of text, the rest."""
    tokens = list(spelled_tokens())
    random.Random(seed).shuffle(tokens)
    named = ["<s>", "<pad>", "</s>", "<unk>", *tokens, "<|endoftext|>"]
    named += ["madeupword0000", "madeupword0001", "madeupword0002", "<mask>"]
    return {token: number for number, token in enumerate(named)}


@pytest.fixture(scope="module")
def opt_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vocabulary") / "gpt2-vocab.json"
    path.write_text(json.dumps(opt_entries(7)))
    return path


def test_gpt2s_vocabulary_written_down() -> None:
    vocabulary = gpt2()
    assert (vocabulary.name, vocabulary.size, vocabulary.padded_size) == ("gpt2", 50_257, 50_264)
    assert (vocabulary.bos, vocabulary.eos, vocabulary.pad, vocabulary.unk) == (None, 50_256, None, None)
    assert (vocabulary.end_of_document, vocabulary.strip_end) == (50_256, False)
    assert vocabulary.tokens[1] == b'"'
    assert vocabulary.tokens[:50_256] == tuple(map(oracle().decode_single_token_bytes, range(50_256)))
    assert vocabulary.from_gpt2.tolist() == list(range(50_257))
    digest = "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"
    assert vocabulary.files == {"vocab.bpe": digest}
    assert hashlib.sha256((DATA / "gpt2" / "vocab.bpe").read_bytes()).hexdigest() == digest


def test_opts_vocabulary_written_down(opt_file: Path) -> None:
    vocabulary = load_vocabulary(str(opt_file))
    assert (vocabulary.name, vocabulary.size, vocabulary.padded_size) == ("opt", 50_265, 50_272)
    assert (vocabulary.bos, vocabulary.pad, vocabulary.eos, vocabulary.unk) == (0, 1, 2, 3)
    assert (vocabulary.end_of_document, vocabulary.strip_end) == (2, True)
    assert vocabulary.from_gpt2[50_256] == 50_260
    assert vocabulary.files["gpt2-vocab.json"] == hashlib.sha256(opt_file.read_bytes()).hexdigest()
    entries = opt_entries(7)
    assert vocabulary.from_gpt2[15496] == entries["Hello"]
    assert vocabulary.from_gpt2[995] == entries["Ġworld"]
    assert sorted(vocabulary.from_gpt2.tolist()) == list(range(4, 50_261))


@BOTH
def test_a_document_ends_with_its_end(name: str, opt_file: Path) -> None:
    documents = texts("Hello world", "", "Hello world \n\u3000", " \t", "</s>")
    own = encode_documents(encoder(name), gpt2(), documents)
    assert own[0].tolist() == [15496, 995, 50256]
    assert own[1].tolist() == [50256]
    assert own[2].tolist()[:2] == [15496, 995]
    assert len(own[2]) > 3
    opt = load_vocabulary(str(opt_file))
    entries = opt_entries(7)
    theirs = encode_documents(encoder(name), opt, documents)
    assert theirs[0].tolist() == theirs[2].tolist() == [entries["Hello"], entries["Ġworld"], 2]
    assert theirs[1].tolist() == theirs[3].tolist() == [2]
    assert theirs[4].tolist() == [entries["</"], entries["s"], entries[">"], 2]
    none = encode_documents(encoder(name), opt, texts())
    assert (none.ids.tolist(), none.offsets.tolist(), str(none.ids.dtype)) == ([], [0], "uint16")


@given(st.lists(PADDED, max_size=4))
def test_decoding_undoes_encoding(opt_file: Path, parts: list[str]) -> None:
    own = encode_documents(encoder("tokenizers"), gpt2(), texts(*parts))
    assert [gpt2().decode(own[row]) for row in range(len(own))] == [part.encode() for part in parts]
    opt = load_opt(str(opt_file))
    theirs = encode_documents(encoder("tokenizers"), opt, texts(*parts))
    assert [opt.decode(theirs[row]) for row in range(len(theirs))] == [part.rstrip().encode() for part in parts]


def test_ids_that_stand_for_no_text(opt_file: Path) -> None:
    opt = load_opt(str(opt_file))
    assert opt.decode([0, 1, 2, 3, 50_260, 50_261, 50_262, 50_263, 50_264]) == b""
    assert opt.decode([]) == b""
    assert b"" not in opt.tokens[4:50_260]
    for wrong in ([2, 50_265], [-1]):
        with pytest.raises(IntegrityError, match="is not in the vocabulary opt"):
            opt.decode(wrong)


def changed(change: Callable[[dict[str, Any]], object]) -> Callable[[], bytes]:
    def build() -> bytes:
        entries: dict[str, Any] = opt_entries(1)
        change(entries)
        return json.dumps(entries).encode()

    return build


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (lambda: b"{", "it is not JSON"),
        (lambda: b"[1]", "not a JSON object"),
        (lambda: b"{}", "50,265 of its 50,265 tokens are missing"),
        (changed(lambda e: e.pop("Hello")), "1 of its 50,265 tokens are missing, one of them 'Hello'"),
        (changed(lambda e: e.update(ninepence=50_265)), "1 tokens too many, one of them 'ninepence'"),
        (changed(lambda e: e.update({"<pad>": 2, "</s>": 1})), "<pad> is 2, not 1"),
        (changed(lambda e: e.update({"<mask>": "50264"})), "<mask> is '50264', not 50264"),
        (changed(lambda e: e.update(Hello=e["world"])), "its ids are not 0 to 50264, each once"),
        (changed(lambda e: e.update(Hello=float(e["Hello"]))), "its ids are not 0 to 50264, each once"),
        (changed(lambda e: e.update(Hello=-1)), "its ids are not 0 to 50264, each once"),
        (changed(lambda e: e.update(Hello=None)), "its ids are not 0 to 50264, each once"),
        (changed(lambda e: e.update({"<s>": False})), "its ids are not 0 to 50264, each once"),
    ],
)
def test_what_is_not_opts_vocabulary(tmp_path: Path, build: Callable[[], bytes], why: str) -> None:
    path = tmp_path / "gpt2-vocab.json"
    path.write_bytes(build())
    with pytest.raises(RecipeError) as caught:
        load_vocabulary(str(path))
    assert why in caught.value.what
    assert caught.value.where == str(path)


def test_an_absent_vocabulary(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot open the file"):
        load_vocabulary(str(tmp_path / "gpt2-vocab.json"))


def test_merges_that_are_not_gpt2s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "vocabulary" / "gpt2"
    folder.mkdir(parents=True)
    (folder / "vocab.bpe").write_bytes((DATA / "gpt2" / "vocab.bpe").read_bytes()[:-1])
    monkeypatch.setattr("importlib.resources.files", lambda _package: tmp_path)
    with pytest.raises(IntegrityError, match="not as they were released"):
        gpt2_merges()


def test_strip_end_drops_exactly_what_python_does() -> None:
    parts = [f"x{chr(c)}" for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
    stripped = strip_end(texts(*parts))
    kept = {part for part, text in zip(parts, stripped, strict=True) if text == part.encode()}
    assert kept == {part for part in parts if part.rstrip() == part}


SPACES = " \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000"


@given(st.lists(st.text(SPACES + "aé\u200b\u0680\u3001") | TEXTS, max_size=6))
def test_strip_end_is_rstrip(parts: list[str]) -> None:
    assert list(strip_end(texts(*parts))) == [part.rstrip().encode() for part in parts]
