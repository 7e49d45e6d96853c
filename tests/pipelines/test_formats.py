"""Every format a recipe can name, in one corpus: built, verified, and a token of each traced to its raw record."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import random
import tarfile
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from raw_data import prose
from tiny_corpus import command

from corpus.manifest import load_manifest, read_ref
from corpus.readers.formats import FORMATS
from corpus.recipe import ONCE_PER_URL
from pipelines.auditing.tracing import trace
from pipelines.steps.blocks import Blocks

DRAW = random.Random(7)
PAGE, OTHER, OLD = (f"https://example.org/{name}" for name in "abc")
LATIN_1 = b"Title: X\r\nCharacter set encoding: ISO-8859-1\r\n\r\ncaf\xe9 "


def response(text: str) -> bytes:
    html = f"<html><body><article><h1>Title</h1><p>{text}</p><p>{text[::-1]}</p></article></body></html>".encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {len(html)}\r\n\r\n"
    return record("response", head.encode() + html)


def record(kind: str, block: bytes) -> bytes:
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {PAGE}\r\nWARC-Date: 2020-01-02T03:04:05Z\r\n"
    return f"{head}Content-Length: {len(block)}\r\n\r\n".encode() + block + b"\r\n\r\n"


def arc(text: str) -> bytes:
    """A page in ARC 1, record by record in gzip."""
    about = b"1 0 Somebody\nURL IP-address Archive-date Content-type Archive-length\n"
    head = b"filedesc://a.arc 0.0.0.0 20080102030405 text/plain %d\n" % len(about)
    page = response(text).partition(b"\r\n\r\n")[2]
    line = f"{OLD} 192.0.2.1 20080102030405 text/html {len(page)}\n".encode()
    return gzip.compress(head + about + b"\n") + gzip.compress(line + page + b"\n")


def patent(text: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE us-patent-grant [ ]>\n<us-patent-grant>'
        '<description><?BRFSUM description="Brief Summary" end="lead"?>'
        f'<heading level="1">BACKGROUND</heading><p>{text}</p>'
        '<heading level="1">SUMMARY</heading><p>Not this.</p>'
        '<?BRFSUM description="Brief Summary" end="tail"?></description></us-patent-grant>\n'
    )


def tar_of(name: str, data: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


# Those of the recipe's readers that no stream of documents is behind, and a container.
OTHERS = ["hacker-news", "parquet", "tar"]


def items(text: str) -> bytes:
    """A story and a comment, the comment first."""
    comment = {"id": 2, "type": "comment", "by": "b", "parent": 1, "text": text}
    story = {"id": 1, "type": "story", "by": "a", "title": "A title", "score": 2, "descendants": 1, "kids": [2]}
    return b"".join(json.dumps(item).encode() + b"\n" for item in (comment, story))


def files() -> dict[str, tuple[str, bytes]]:
    """Format -> (a file's name, its bytes), each with one document at least."""
    text = {name: prose(DRAW, 60) for name in [*FORMATS, *OTHERS]}
    table = io.BytesIO()
    pq.write_table(pa.table({"text": [text["parquet"]]}), table)
    line = {name: json.dumps({"text": text[name]}).encode() + b"\n" for name in ("jsonl", "tar")}
    pile = json.dumps({"text": text["pile"], "meta": {"pile_set_name": "Pile-CC"}}).encode() + b"\n"
    fetched = {"date_download": "2020-01-02 03:04:05+00:00"}
    article = json.dumps({"title": "A title", "maintext": text["news-please"], "url": OTHER, **fetched}).encode()
    articles = json.dumps({"title": None, "maintext": text["news-please-lines"], **fetched}).encode() + b"\n"
    film = f'<?xml version="1.0"?>\n<document><s id="1">{text["open-subtitles"]}</s></document>'
    wiki = (
        "<mediawiki>\n  <page>\n    <title>Name</title><ns>0</ns><id>1</id><revision><id>2</id>"
        f"<model>wikitext</model><format>text/x-wiki</format><text>'''Name''' {text['wikipedia']}</text>"
        "</revision>\n  </page>\n</mediawiki>\n"
    )
    questions = "".join(f"What is {n} + {n}?\n{2 * n}\n" for n in range(400))
    return {
        "arc": ("old.arc.gz", arc(text["arc"])),
        "book-corpus": ("p1.txt", text["book-corpus"].lower().replace(". ", " .\n").encode()),
        "cc-news": (
            "news.warc.gz",
            gzip.compress(record("warcinfo", b"x")) + gzip.compress(response(text["cc-news"])),
        ),
        "dm-mathematics": ("numbers.txt", questions.encode()),
        "gutenberg": (
            "1.txt",
            b"Title: X\r\nCharacter set encoding: ISO-8859-1\r\n\r\ncaf\xe9 " + text["gutenberg"].encode(),
        ),
        "hacker-news": ("items.jsonl", items(text["hacker-news"])),
        "jsonl": ("a.jsonl", line["jsonl"]),
        "news-please": ("a.json", article),
        "news-please-lines": ("b.jsonl", articles),
        "open-subtitles": ("film.xml", film.encode()),
        "pile": ("00.jsonl.zst", zstandard.ZstdCompressor().compress(pile)),
        "text": ("a.txt", text["text"].encode()),
        "text-blocks": ("b.txt", f"{text['text-blocks']}\n\nand {text['text-blocks']}".encode()),
        "text-lines": ("c.txt", f"{text['text-lines']}\nand {text['text-lines']}\n".encode()),
        "uspto": ("ipg.xml", patent(text["uspto"]).encode()),
        "wet": ("a.wet", record("conversion", text["wet"].encode())),
        "wikipedia": ("dump.xml.bz2", bz2.compress(wiki.encode())),
        "parquet": ("a.parquet", table.getvalue()),
        "tar": ("a.tar", tar_of("x/a.jsonl", line["tar"])),
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The raw files and the store."""
    root = tmp_path_factory.mktemp("formats")
    recipe = 'name = "formats"\nversion = "1"\n[validation]\nbytes = 0\n'
    for name, (file, data) in files().items():
        (root / "data" / name).mkdir(parents=True)
        (root / "data" / name / file).write_bytes(data)
        reader = "jsonl" if name == "tar" else name
        label = '"Pile-CC"' if name == "pile" else '"*"'
        recipe += f'[[input]]\nname = "{name}"\nreader = "{reader}"\nfiles = ["{name}/*"]\n'
        recipe += f'sources = {{ {label} = "{name}" }}\n[[source]]\nname = "{name}"\n'
    (root / "formats.toml").write_text(recipe)
    done = command(
        "build_corpus.py", "--recipe", root / "formats.toml", "--data", root / "data", "--out", root / "store"
    )
    assert done.returncode == 0, done.stderr
    return root / "data", root / "store"


def test_every_format_gives_documents(built: tuple[Path, Path]) -> None:
    manifest = load_manifest(*read_ref(str(built[1] / "refs/formats/1")))
    kept = {balance.name: balance.kept for balance in manifest.sources}
    assert set(kept) == {*FORMATS, *OTHERS}
    assert min(kept.values()) >= 1, kept
    assert command("audit.py", "verify", built[1] / "refs/formats/1").returncode == 0


@pytest.mark.parametrize("name", [*FORMATS, *OTHERS])
def test_a_token_of_every_format_is_traced_to_its_record(built: tuple[Path, Path], name: str) -> None:
    found = trace(str(built[1] / "refs/formats/1"), f"{name}-00000:5", str(built[0]))
    assert found.proved
    assert found.records[0].path.startswith(f"{name}/")


def test_what_a_crawl_knows_of_a_page_is_kept(built: tuple[Path, Path]) -> None:
    for name, url in {"cc-news": PAGE, "wet": PAGE, "news-please": OTHER}.items():
        found = trace(str(built[1] / "refs/formats/1"), f"{name}-00000:0", None)
        assert found.facts == {"url": url, "date": "2020-01-02T03:04:05Z"}


def test_the_readers_that_know_a_url_are_those_that_can_be_asked_for_one_page_of_it(
    built: tuple[Path, Path],
) -> None:
    store, digest = read_ref(str(built[1] / "refs/formats/1"))
    manifest = load_manifest(store, digest)
    blocks = Blocks.sealed_in(store, manifest)
    known = set()
    for block in range(len(blocks.rows)):
        facts, rows = blocks.read_facts(block), blocks.read_rows(block, ["blob"])
        known |= {manifest.blobs[rows["blob"][row]].input for row in facts.get("row", ())}
    assert known == set(ONCE_PER_URL)
    resolved = {entry.name: entry.once_per_url for entry in manifest.recipe.input}
    assert {name: once for name, once in resolved.items() if once is not msgspec.UNSET} == ONCE_PER_URL


def test_what_no_crawl_gave_has_no_facts(built: tuple[Path, Path]) -> None:
    assert trace(str(built[1] / "refs/formats/1"), "text-00000:0", None).facts == {}
