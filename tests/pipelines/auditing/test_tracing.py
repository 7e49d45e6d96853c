"""Tracing: from a token back to the raw record, which proves itself by giving the document's id."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import pytest
import zstandard
from tiny_corpus import Tiny, command

from corpus.errors import SourceError
from corpus.manifest import load_manifest, read_ref
from corpus.shard import Shard
from pipelines.auditing.tracing import describe, trace


def shards(tiny: Tiny) -> list[tuple[str, int]]:
    manifest = load_manifest(*read_ref(tiny.ref))
    return [(shard.name, shard.tokens) for shard in manifest.shards if shard.tokens]


def test_any_token_of_any_shard_is_proved(tiny: Tiny) -> None:
    draw = random.Random(3)
    for name, tokens in shards(tiny):
        for position in {0, tokens - 1, *(draw.randrange(tokens) for _ in range(3))}:
            found = trace(tiny.ref, f"{name}:{position}", str(tiny.data))
            assert found.proved
            token, spelt, before = found.token
            assert found.placed.first_token <= position < found.placed.first_token + found.placed.tokens
            assert found.text[before : before + len(spelt)] == spelt or token == 50256


def test_the_tokens_of_a_document_spell_its_text(tiny: Tiny) -> None:
    manifest = load_manifest(*read_ref(tiny.ref))
    folder = manifest.stage_folder(str(tiny.store), "shards")
    name = "wikipedia-00000"
    shard = Shard.open(f"{folder}/{name}")
    first = trace(tiny.ref, f"{name}:{int(shard.starts[1])}", None)
    assert first.placed.number == 1
    spelt = b"".join(trace(tiny.ref, f"{name}:{at}", None).token[1] for at in range(*shard.starts[1:3].tolist()))
    assert spelt == first.text


def test_the_record_is_the_one_that_stands_in_the_raw_file(tiny: Tiny) -> None:
    """Against a reading of the raw file that shares nothing with ours."""
    found = trace(tiny.ref, "wikipedia-00000:7", str(tiny.data))
    (record,) = found.records
    stream = (tiny.data / record.path).read_bytes()
    raw = zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True).read()
    line = raw.split(b"\n")[record.record]
    assert raw[record.offset :].startswith(line)
    assert record.raw == line
    assert json.loads(line)["text"].split() == found.text.decode().split()


def test_a_chain_is_traced_to_each_of_its_comments(tiny: Tiny) -> None:
    for position in range(0, 4000, 150):
        found = trace(tiny.ref, f"reddit-00000:{position}", str(tiny.data))
        assert found.proved
        bodies = [json.loads(record.raw or b"")["body"].replace("&gt;", ">") for record in found.records]
        assert "\n\n".join(bodies) == found.text.decode()
        if len({record.path for record in found.records}) == 2:
            return
    raise AssertionError("no chain runs from one month into the other")


def test_without_the_sources_the_address_is_told(tiny: Tiny) -> None:
    done = command("audit.py", "trace", tiny.ref, "pile-cc-00000:3")
    assert done.returncode == 0
    assert "not tried: name the folder of the raw files with --data" in done.stdout


def test_a_record_that_is_another_fails_the_proof(tiny: Tiny, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(tiny.data, data)
    found = trace(tiny.ref, "wikipedia-00000:0", None)
    victim = data / found.records[0].path
    raw = zstandard.ZstdDecompressor().stream_reader(victim.read_bytes(), read_across_frames=True).read()
    lines = raw.split(b"\n")
    lines[found.records[0].record] = lines[found.records[0].record].replace(b"a", b"e", 1)
    victim.write_bytes(zstandard.ZstdCompressor().compress(b"\n".join(lines)))
    done = command("audit.py", "trace", tiny.ref, "wikipedia-00000:0", "--data", data)
    assert done.returncode == 1
    assert "FAILED" in done.stdout


def test_a_trace_is_printed_without_control_characters(tiny: Tiny) -> None:
    found = trace(tiny.ref, "reddit-00000:0", str(tiny.data))
    assert describe(found, "reddit-00000:0").replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("address", "words"),
    [("nobody-00000:1", "no such shard"), ("wikipedia-00000:99999999", "tokens"), ("wikipedia-00000", "no token")],
)
def test_a_wrong_address_is_an_error(tiny: Tiny, address: str, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        trace(tiny.ref, address, None)
    done = command("audit.py", "trace", tiny.ref, address)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 3
