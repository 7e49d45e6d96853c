"""Bad input: an error is three lines and nothing is sealed; a damaged record is a row, and the build goes on."""

from __future__ import annotations

import bz2
import ctypes
import gzip
import json
import lzma
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from raw_data import RECIPE, prose, write_all
from tiny_corpus import ROOT, Tiny, command, digest_of

from corpus.manifest import Manifest, load_manifest, read_ref

OWN = """
name = "own"
version = "1"
[[input]]
name = "own"
reader = "{reader}"
files = ["{files}"]
sources = {{ "*" = "own" }}
[[source]]
name = "own"
"""
COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "zst": zstandard.ZstdCompressor(level=3).compress,
    "gz": lambda data: gzip.compress(data, mtime=0),
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


def build(recipe: Path, data: Path, out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return command(
        "build_corpus.py", "--recipe", recipe, "--data", data, "--out", out, "--workers", "1", *arguments
    )


def sealed(out: Path, name: str = "own", version: str = "1") -> Manifest:
    return load_manifest(*read_ref(str(out / "refs" / name / version)))


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit 2, one error of three lines at the end, naming these."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()[-3:]
    assert [line[:7] for line in lines] == ["error: ", "   at: ", "   do: "]
    for word in words:
        assert word in "\n".join(lines)


@pytest.fixture
def own(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Writes one file of a user's own data and its recipe: (recipe, data folder)."""

    def write(name: str, data: bytes, reader: str = "jsonl", extra: str = "") -> tuple[Path, Path]:
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
        recipe = tmp_path / "own.toml"
        recipe.write_text(extra + OWN.format(reader=reader, files=name))
        return recipe, folder

    return write


def lines_of(count: int) -> bytes:
    draw = random.Random(1)
    return b"".join(json.dumps({"text": prose(draw, 3000)}).encode() + b"\n" for _ in range(count))


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_a_truncated_container_stops_the_build_and_is_named(
    own: Callable[..., tuple[Path, Path]], tmp_path: Path, suffix: str
) -> None:
    whole = COMPRESSORS[suffix](lines_of(100))
    recipe, data = own(f"a.jsonl.{suffix}", whole[: len(whole) * 2 // 3])
    refused(
        build(recipe, data, tmp_path / "out"), f"a.jsonl.{suffix}", "bytes into the file", "keep-what-was-read"
    )
    assert not (tmp_path / "out" / "refs").exists()


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_what_was_read_of_a_truncated_container_can_be_kept_and_the_seal_says_so(
    own: Callable[..., tuple[Path, Path]], tmp_path: Path, suffix: str
) -> None:
    whole = COMPRESSORS[suffix](lines_of(600))
    recipe, data = own(
        f"a.jsonl.{suffix}", whole[: len(whole) * 4 // 5], extra='on_damage = "keep-what-was-read"\n'
    )
    built = build(recipe, data, tmp_path / "out")
    assert built.returncode == 0, built.stderr
    assert "1 damaged files, kept up to their damage" in built.stdout
    manifest = sealed(tmp_path / "out")
    assert [entry.path for entry in manifest.damage] == [f"a.jsonl.{suffix}"]
    (source,) = [balance for balance in manifest.sources if balance.name == "own"]
    assert 100 < source.kept < 600
    assert manifest.inputs[0].stream_bytes == manifest.damage[0].stream_bytes
    assert command("audit.py", "verify", tmp_path / "out/refs/own/1").returncode == 0


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz"])
def test_a_flipped_bit_is_found_by_the_container(
    own: Callable[..., tuple[Path, Path]], tmp_path: Path, suffix: str
) -> None:
    whole = bytearray(COMPRESSORS[suffix](lines_of(50)))
    whole[len(whole) // 2] ^= 16
    recipe, data = own(f"a.jsonl.{suffix}", bytes(whole))
    refused(build(recipe, data, tmp_path / "out"), f"a.jsonl.{suffix}", "bytes into the file")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl.zst", gzip.compress(b'{"text": "x"}\n', mtime=0)),
        ("a.jsonl", zstandard.ZstdCompressor().compress(b'{"text": "x"}\n')),
        ("a.jsonl.bz2", b'{"text": "plain"}\n'),
    ],
)
def test_a_file_that_is_not_what_its_name_says(
    own: Callable[..., tuple[Path, Path]], tmp_path: Path, name: str, data: bytes
) -> None:
    recipe, folder = own(name, data, extra='on_damage = "keep-what-was-read"\n')
    refused(build(recipe, folder, tmp_path / "out"), name, "rename it")


def test_empty_files(own: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    """An empty plain file holds nothing and is no error; an empty compressed one ends before it begins."""
    recipe, data = own("a.jsonl", b"")
    built = build(recipe, data, tmp_path / "out")
    assert built.returncode == 0, built.stderr
    assert sealed(tmp_path / "out").inputs[0].records == 0
    assert command("audit.py", "verify", tmp_path / "out/refs/own/1").returncode == 0
    recipe, data = own("a.jsonl.gz", b"")
    refused(build(recipe, data, tmp_path / "other"), "a.jsonl.gz", "ends before")


def test_every_damaged_record_is_one_row_and_the_others_are_kept(
    own: Callable[..., tuple[Path, Path]], tmp_path: Path
) -> None:
    lines = [
        b'\xef\xbb\xbf{"text": "a byte order mark before the first"}',
        b'{"text": "windows ends its lines otherwise"}\r',
        b'{"text": "not \xff UTF-8"}',
        b'{"text": "half a pair \\udc00 here"}',
        b'{"text": "a NUL \\u0000 inside"}',
        '{"text": "a line separator\u2028 is no line"}'.encode(),
        b'{"text": "broken"',
        b"[1, 2]",
        b'{"txt": "another name"}',
        b'{"text": 17}',
        b'{"text": null}',
        b"",
        b"   ",
        b'{"text": "' + b"long " * 1_000_000 + b'"}',
        b"[" * 100_000,
        b'{"text": "the last, without an end"}',
    ]
    recipe, data = own("a.jsonl", b"\n".join(lines))
    built = build(recipe, data, tmp_path / "out")
    assert built.returncode == 0, built.stderr
    manifest = sealed(tmp_path / "out")
    found = {balance.name: balance for balance in manifest.sources}
    assert found["own"].kept == 8
    assert found["own"].repairs == 2
    dropped = {label: d.documents for label, d in found["own (unreadable)"].dropped.items()}
    assert dropped == {"broken json": 3, "missing field": 1, "wrong type": 2}
    assert manifest.inputs[0].unchosen["blank line"] == (2, 5)
    assert manifest.inputs[0].records == len(lines)


def test_a_record_over_the_limit_is_passed_over(own: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    recipe, data = own("a.jsonl", lines_of(3) + b'{"text": "short"}\n', extra="max_record_bytes = 100\n")
    assert build(recipe, data, tmp_path / "out").returncode == 0
    found = {balance.name: balance for balance in sealed(tmp_path / "out").sources}
    assert found["own (unreadable)"].dropped["oversize record"].documents == 3
    assert found["own"].kept == 1


def test_parquet_and_text_are_read_as_well(own: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    draw = random.Random(2)
    texts = [prose(draw, 50) for _ in range(5)]
    table = tmp_path / "table.parquet"
    pq.write_table(pa.table({"text": [*texts, None]}), table)
    for name, data, reader, kept in (
        ("a.parquet", table.read_bytes(), "parquet", 5),
        ("a.txt", "\n\n".join(texts).encode("latin-1") + b" caf\xe9", "text", 1),
        ("b.txt.gz", gzip.compress("\r\n\r\n".join(texts).encode()), "text-blocks", 5),
    ):
        recipe, folder = own(name, data, reader)
        out = tmp_path / f"out-{name}"
        built = build(recipe, folder, out)
        assert built.returncode == 0, built.stderr
        (source,) = [balance for balance in sealed(out).sources if balance.name == "own"]
        assert source.kept == kept
        assert command("audit.py", "verify", out / "refs/own/1").returncode == 0
        shard = sealed(out).shards[0].name
        traced = command("audit.py", "trace", out / "refs/own/1", f"{shard}:0", "--data", folder)
        assert traced.returncode == 0, traced.stderr
        assert "this is where the token is from" in traced.stdout


@pytest.mark.parametrize("damage", [lambda data: data[:-20], lambda data: b"PAR1" + data[8:], lambda data: b""])
def test_a_damaged_table_is_named(
    own: Callable[..., tuple[Path, Path]], tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    table = tmp_path / "table.parquet"
    pq.write_table(pa.table({"text": ["some text"] * 100}), table)
    recipe, data = own("a.parquet", damage(table.read_bytes()), "parquet")
    refused(build(recipe, data, tmp_path / "out"), "a.parquet")


def test_a_wrong_column_names_those_there_are(own: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    table = tmp_path / "table.parquet"
    pq.write_table(pa.table({"content": ["some text"]}), table)
    recipe, data = own("a.parquet", table.read_bytes(), "parquet")
    refused(build(recipe, data, tmp_path / "out"), "content")


def test_a_typo_names_the_nearest_key(tmp_path: Path) -> None:
    """The golden transcript of an error."""
    recipe = tmp_path / "typo.toml"
    recipe.write_text(RECIPE.replace("shard_bytes", "shard_byte"))
    done = build(recipe, tmp_path, tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr == (
        f"error: unknown key `shard_byte`\n   at: {recipe}, tokens\n   do: did you mean `shard_bytes`?\n"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "text.filters.min_words=few"], ["Expected `int`", "text.filters.min_words"]),
        (["--set", "source.nobody.licence=MIT"], ["nobody", "choose one of: wikipedia"]),
        (["--set", "text.normalise=['whitespaces']"], ["whitespaces", "chapter-headings"]),
        (["--set", "seed"], ["not key=value"]),
        (["--set", "input.pile.files.first.size=2"], ["holds no table", "input.pile.files.first"]),
        (["--set", "name.of.it=x"], ["holds no table", "name.of.it"]),
        (["--runner", "abacus"], ["no such runner", "local"]),
        (["--workers", "0"], ["needs a worker"]),
        (["--encoder", "enigma"], ["no encoder", "tokenizers"]),
        (["--set", "tokens.vocabulary=nowhere.json"], ["nowhere.json"]),
        (["--set", "validation.max_percent=101"], ["max_percent"]),
        (["--data", "nowhere"], ["no file matches", "--data"]),
        (["--recipe", "nowhere.toml"], ["no such recipe"]),
        (["--without", "wikipedi"], ["no source `wikipedi`", "choose: wikipedia"]),
        (["--catalogue", "nowhere.toml"], ["no such catalogue"]),
    ],
)
def test_a_wrong_option_is_an_error_of_three_lines(
    tiny: Tiny, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    refused(build(tiny.recipe, tiny.data, tmp_path / "out", *arguments), *words)


def test_a_file_that_changed_since_it_was_pinned(tmp_path: Path) -> None:
    data, recipe = tmp_path / "data", tmp_path / "tiny.toml"
    write_all(data)
    recipe.write_text(RECIPE)
    assert command("build_corpus.py", "sources", "--recipe", recipe, "--data", data, "--pin").returncode == 0
    victim = data / "own" / "a.jsonl.gz"
    text = gzip.decompress(victim.read_bytes())
    victim.write_bytes(gzip.compress(text.replace(b"e", b"a", 1), mtime=0))
    done = build(recipe, data, tmp_path / "out")
    refused(done, "own/a.jsonl.gz", "pin")
    victim.unlink()
    refused(build(recipe, data, tmp_path / "out"), "own/*.jsonl.gz")


def test_a_lock_that_is_none(tiny: Tiny, tmp_path: Path) -> None:
    lock = tmp_path / "lock.json"
    lock.write_text('{"schema": 1}')
    refused(build(tiny.recipe, tiny.data, tmp_path / "out", "--pins", str(lock)), "lock", "--pin")


def test_a_store_that_cannot_be_written(tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    refused(build(tiny.recipe, tiny.data, tmp_path / "file"), "--out")


def test_two_builds_do_not_share_a_store(tiny: Tiny, tmp_path: Path) -> None:
    line = [sys.executable, str(ROOT / "pipelines/build_corpus.py"), "--recipe", str(tiny.recipe)]
    line += ["--data", str(tiny.data), "--out", str(tmp_path / "out"), "--workers", "1"]
    first = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    while not (tmp_path / "out" / "stages").exists() and first.poll() is None:
        time.sleep(0.002)
    refused(build(tiny.recipe, tiny.data, tmp_path / "out"), "another build holds this store")
    assert digest_of(first.communicate(timeout=600)[0]) == tiny.digest


def test_a_full_disk_loses_nothing(tiny: Tiny, tmp_path: Path) -> None:
    """Writes fail in mid build; when there is room again, the same command goes on to the same digest."""
    disk = tmp_path / "disk"
    disk.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    mounted = libc.mount(b"tmpfs", str(disk).encode(), b"tmpfs", 0, b"size=300k") == 0
    line = [sys.executable, str(ROOT / "pipelines/build_corpus.py"), "--recipe", str(tiny.recipe)]
    line += ["--data", str(tiny.data), "--out", str(disk / "store"), "--workers", "1"]
    try:
        limit = None if mounted else _small_files
        done = subprocess.run(line, capture_output=True, text=True, timeout=600, preexec_fn=limit)
        refused(done, "cannot write to the store", str(disk))
        if mounted:
            shutil.copytree(disk / "store", tmp_path / "roomy")
    finally:
        if mounted:
            libc.umount(str(disk).encode())
    again = build(tiny.recipe, tiny.data, tmp_path / "roomy" if mounted else disk / "store")
    assert digest_of(again.stdout) == tiny.digest


def _small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
