"""What files can do to their reader, in one build: each is one row or one clear error, in bounded memory."""

from __future__ import annotations

import bz2
import io
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import pytest
from tiny_corpus import ROOT

from corpus.manifest import Manifest, load_manifest, read_ref
from corpus.readers.formats import FORMATS
from corpus.recipe import Input, ReaderName

PEAK_BYTES = 1_500_000_000  # what a build of nothing takes, and several times the longest record
SENTENCE = "Nobody who lived along the river could say when the first of the barges had come. "
PROSE = SENTENCE * 20
HTML = "text/html; charset={}"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
LOL = f'<!DOCTYPE d [<!ENTITY l0 "lol">{LAUGHS}]>'
SECRET = "a word that stands in no input"


def warc(block: bytes, kind: str = "response", length: int | None = None) -> bytes:
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: http://a.b/c\r\nWARC-Date: 2020-01-02T03:04:05Z\r\n"
    size = len(block) if length is None else length
    return f"{head}Content-Length: {size}\r\n\r\n".encode() + block + b"\r\n\r\n"


def page(body: bytes, media_type: str = HTML.format("utf-8"), more: str = "") -> bytes:
    return warc(f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\n{more}\r\n".encode() + body)


def html(text: str, meta: str = "utf-8") -> str:
    body = "".join(f"<p>{text}</p>" for _ in range(3))
    return f'<html><head><meta charset="{meta}"></head><body><article>{body}</article></body></html>'


def article(title: str, text: str) -> str:
    fields = f"<title>{title}</title><ns>0</ns><id>1</id>"
    return f"  <page>\n    {fields}<revision><model>wikitext</model><text>{text}</text></revision>\n  </page>\n"


def film(text: str, head: str = "") -> str:
    return f'<?xml version="1.0"?>\n{head}<document><s id="1">{text}</s></document>\n'


def patent(text: str, head: str = "") -> str:
    inside = f'<heading level="1">BACKGROUND</heading><p>{text}</p>'
    return f'<?xml version="1.0"?>\n{head}<us-patent-grant><description>{inside}</description></us-patent-grant>\n'


def dump(articles: int = 6) -> list[bytes]:
    """A multistream dump's streams: the head, two articles each, the end."""
    pages = [article(f"A{n}", f"Article {n} says: {PROSE}").encode() for n in range(articles)]
    return [b"<mediawiki>\n", *(b"".join(pages[at : at + 2]) for at in range(0, articles, 2)), b"</mediawiki>\n"]


def external(kind: str, secret: Path) -> str:
    """A document type that would have a reader fetch something."""
    return {
        "entity": f'<!DOCTYPE d [<!ENTITY x SYSTEM "{secret.as_uri()}">]>\n',
        "parameter": f'<!DOCTYPE d [<!ENTITY % x SYSTEM "{secret.as_uri()}"> %x;]>\n',
        "dtd": f'<!DOCTYPE d SYSTEM "{secret.as_uri()}">\n',
    }[kind]


def pages() -> Mapping[str, bytes]:
    """Name -> a WARC whose hostile record stands between two sound ones."""
    russian = "Все счастливые семьи похожи друг на друга, каждая несчастлива по-своему. " * 20
    chunked = "Transfer-Encoding: chunked\r\n"
    bodies = {
        "length-too-long": warc(b"x" * 100, length=10**12),
        "length-too-short": warc(b"x" * 100, length=7),
        "length-is-none": warc(b"x" * 100).replace(b"Length: 100", b"Length: many"),
        "chunk-too-long": page(b"ffffff\r\nabc\r\n0\r\n\r\n", more=chunked),
        "chunk-without-end": page(b"3\r\nabc\r\n5\r\nab", more=chunked),
        "header-lies": page(html(russian, "windows-1251").encode("cp1251"), HTML.format("utf-8")),
        "meta-lies": page(html(russian, "utf-8").encode("cp1251"), "text/html"),
        "utf-16": page(html(russian, "utf-16").encode("utf-16"), HTML.format("utf-8")),
        "charset-unknown": page(html(russian, "x-mine").encode(), HTML.format("klingon")),
        "nested-100000-deep": page(b"<div>" * 100_000 + PROSE.encode() + b"</div>" * 100_000),
        "64-mebibytes": page(html("x" * (63 << 20)).encode()[: 64 << 20]),
        "slow-by-attributes": page(f"<p {' '.join(f'a{n}=1' for n in range(200_000))}>{PROSE}</p>".encode()),
        "slow-by-tags": page(("<b><i><a><p>" * 100_000).encode()),
    }
    good = page(html(PROSE).encode())
    return {name: good + body + page(html(PROSE[::-1]).encode()) for name, body in bodies.items()}


def files(secret: Path) -> Mapping[str, tuple[str, str, bytes]]:
    """Name -> (reader, a file's name, its bytes)."""
    found = {name: ("cc-news", "a.warc", data) for name, data in pages().items()}
    wiki = "<mediawiki>\n{}" + article("B", PROSE) + "</mediawiki>\n"
    for kind in ("entity", "parameter", "dtd"):
        head = external(kind, secret)
        found[f"film-{kind}"] = ("open-subtitles", "a.xml", film(f"{PROSE} &x;", head).encode())
        found[f"patent-{kind}"] = ("uspto", "a.xml", (patent(f"{PROSE} &x;", head) + patent(PROSE[::-1])).encode())
    found |= {
        "film-laughs": ("open-subtitles", "a.xml", film("&l11;", LOL).encode()),
        "patent-laughs": ("uspto", "a.xml", (patent("&l11;", LOL) + patent(PROSE)).encode()),
        "wiki-laughs": ("wikipedia", "a.xml", wiki.format(article("A", f"{LOL}&l11;")).encode()),
        "film-deep": ("open-subtitles", "a.xml", film("<i>" * 100_000).encode()),
        "film-cut": ("open-subtitles", "a.xml", film(PROSE).encode()[:-30]),
        "patent-cut": ("uspto", "a.xml", (patent(PROSE) + patent(PROSE[::-1])[:-30]).encode()),
        "book-of-one-line": ("text", "a.txt", (SENTENCE * 300_000)[:24_000_000].encode()),
        "book-without-a-space": ("text-lines", "a.txt", b"x" * 24_000_000 + b"\n" + PROSE.encode()),
        "dump-cut": ("wikipedia", "a.xml", b"".join(dump())[:-5000]),
    }
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, int]:
    """All of them in one corpus, and the peak memory of its largest process."""
    root = tmp_path_factory.mktemp("hostile")
    secret = root / "secret.dtd"
    secret.write_text(f'<!ENTITY x "{SECRET}">')
    recipe = 'name = "hostile"\nversion = "1"\n[validation]\nbytes = 0\n'
    for name, (reader, file, data) in files(secret).items():
        (root / "data" / name).mkdir(parents=True)
        (root / "data" / name / file).write_bytes(data)
        recipe += f'[[input]]\nname = "{name}"\nreader = "{reader}"\nfiles = ["{name}/*"]\n'
        recipe += f'sources = {{ "*" = "{name}" }}\n[[source]]\nname = "{name}"\n'
    (root / "hostile.toml").write_text(recipe)
    command = [sys.executable, str(ROOT / "pipelines/build_corpus.py"), "--recipe", str(root / "hostile.toml")]
    command += ["--data", str(root / "data"), "--out", str(root / "out"), "--workers", "1"]
    # From a process of its own: a peak starts from its parent's, and pytest is no small parent.
    asked = f"from workflows.benchmarks.measure import measure\nprint(measure({command!r}).peak_bytes)"
    done = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    ref = root / "out/refs/hostile/1"
    verified = subprocess.run([sys.executable, str(ROOT / "pipelines/audit.py"), "verify", str(ref)])
    assert verified.returncode == 0
    return load_manifest(*read_ref(str(ref))), int(done.stdout)


def test_memory_is_bounded_by_the_longest_record(built: tuple[Manifest, int]) -> None:
    assert built[1] < PEAK_BYTES


def verdicts(manifest: Manifest, name: str) -> tuple[int, dict[str, int], int]:
    """Documents that were read (kept or a duplicate), unreadable ones by reason, and repairs."""
    found = {balance.name: balance for balance in manifest.sources}
    unread = found.get(f"{name} (unreadable)")
    dropped = {label: drop.documents for label, drop in unread.dropped.items()} if unread else {}
    read = found[name].kept + sum(drop.documents for drop in found[name].dropped.values())
    return read, dropped, found[name].repairs


@pytest.mark.parametrize(
    ("name", "read", "unreadable"),
    [
        ("length-too-long", 2, {"broken record": 1}),
        ("length-too-short", 2, {"broken record": 1}),
        ("length-is-none", 2, {"broken record": 1}),
        ("chunk-too-long", 2, {"broken page": 1}),
        ("chunk-without-end", 2, {"broken page": 1}),
        ("nested-100000-deep", 2, {"oversize page": 1}),
        ("64-mebibytes", 2, {"oversize record": 1}),
        ("slow-by-attributes", 2, {"oversize page": 1}),
        ("slow-by-tags", 2, {"oversize page": 1}),
        ("film-laughs", 0, {"broken xml": 1}),
        ("patent-laughs", 1, {"broken xml": 1}),
        ("wiki-laughs", 1, {"broken xml": 1}),
        ("film-deep", 0, {"broken xml": 1}),
        ("film-cut", 0, {"broken xml": 1}),
        ("patent-cut", 1, {"broken xml": 1}),
        ("dump-cut", 3, {"broken xml": 1}),
        ("book-of-one-line", 1, {}),
        ("book-without-a-space", 2, {}),
    ],
)
def test_it_is_one_row(built: tuple[Manifest, int], name: str, read: int, unreadable: dict[str, int]) -> None:
    assert verdicts(built[0], name)[:2] == (read, unreadable)


@pytest.mark.parametrize("kind", ["entity", "parameter", "dtd"])
def test_nothing_external_is_fetched(built: tuple[Manifest, int], tmp_path: Path, kind: str) -> None:
    """Such a document is broken, or lacks what it would have had."""
    secret = tmp_path / "secret.dtd"
    secret.write_text(f'<!ENTITY x "{SECRET}">')
    hostile = files(secret)
    for name, others in (("film", 0), ("patent", 1)):
        read, unreadable, _ = verdicts(built[0], f"{name}-{kind}")
        assert read + sum(unreadable.values()) == 1 + others
        reader, _, data = hostile[f"{name}-{kind}"]
        entry = Input(name="x", reader=cast(ReaderName, reader), files=(), sources={})
        texts = [text for records in FORMATS[reader].read(entry, iter([data]), 2**20) for text in records.text]
        assert len(texts) == 1 + others
        assert SECRET.encode() not in b"".join(texts)


@pytest.mark.parametrize(
    ("name", "repaired"),
    [("header-lies", False), ("meta-lies", True), ("utf-16", False), ("charset-unknown", False)],
)
def test_a_wrong_charset_costs_no_page(built: tuple[Manifest, int], name: str, repaired: bool) -> None:
    """What the page's other words or its bytes tell is believed; else what does not decode is counted."""
    read, unreadable, repairs = verdicts(built[0], name)
    assert (read, unreadable, repairs > 0) == (3, {}, repaired)


def own(folder: Path, reader: str, file: str, data: bytes, extra: str = "") -> subprocess.CompletedProcess[str]:
    """A build of one file."""
    (folder / "data").mkdir()
    (folder / "data" / file).write_bytes(data)
    recipe = f'{extra}name = "own"\nversion = "1"\n[[source]]\nname = "own"\n[[input]]\nname = "own"\n'
    recipe += f'reader = "{reader}"\nfiles = ["{file}"]\nsources = {{ "*" = "own" }}\n'
    (folder / "own.toml").write_text(recipe)
    line = [sys.executable, str(ROOT / "pipelines/build_corpus.py"), "--recipe", str(folder / "own.toml")]
    line += ["--data", str(folder / "data"), "--out", str(folder / "out"), "--workers", "1"]
    return subprocess.run(line, capture_output=True, text=True, timeout=600)


def is_one_error(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()[-3:]
    assert [line[:7] for line in lines] == ["error: ", "   at: ", "   do: "]
    for word in words:
        assert word in "\n".join(lines)


@pytest.mark.parametrize("name", ["../out.jsonl", "/etc/out.jsonl", "a/../../out.jsonl"])
def test_a_tar_member_outside_its_folder_is_an_error(tmp_path: Path, name: str) -> None:
    done = own(tmp_path, "jsonl", "a.tar", tar({name: (tarfile.REGTYPE, "")}))
    is_one_error(done, "a member of the tar file lies outside its folder", name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out", "own.toml"]


def test_links_and_devices_in_a_tar_are_no_files(tmp_path: Path) -> None:
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE)
    members = {f"{number}.jsonl": (kind, "/etc/passwd") for number, kind in enumerate(kinds)}
    done = own(tmp_path, "jsonl", "a.tar", tar(members | {"b.jsonl": (tarfile.REGTYPE, "")}))
    assert done.returncode == 0, done.stderr
    manifest = load_manifest(*read_ref(str(tmp_path / "out/refs/own/1")))
    assert verdicts(manifest, "own")[:2] == (1, {})
    assert manifest.inputs[0].records == 1


def tar(members: Mapping[str, tuple[bytes, str]]) -> bytes:
    line = f'{{"text": "{PROSE}"}}\n'.encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, (kind, target) in members.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            member.size = len(line) if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(line) if member.size else None)
    return packed.getvalue()


@pytest.mark.parametrize(
    "pack",
    [lambda: b"".join(map(bz2.compress, dump())), lambda: bz2.compress(b"".join(dump()))],
    ids=["multistream", "one stream"],
)
@pytest.mark.parametrize("kept", [False, True])
def test_a_dump_cut_in_the_middle_of_its_bzip2(tmp_path: Path, pack: Callable[[], bytes], kept: bool) -> None:
    """An error; or, where the recipe says so, of the multistream every article of the streams before the cut."""
    packed = pack()
    extra = 'on_damage = "keep-what-was-read"\n' if kept else ""
    done = own(tmp_path, "wikipedia", "a.xml.bz2", packed[: len(packed) * 2 // 3], extra)
    if not kept:
        is_one_error(done, "a.xml.bz2", "ends before its content does", "keep-what-was-read")
        return
    assert done.returncode == 0, done.stderr
    manifest = load_manifest(*read_ref(str(tmp_path / "out/refs/own/1")))
    assert [entry.path for entry in manifest.damage] == ["a.xml.bz2"]
    assert manifest.inputs[0].stream_bytes == manifest.damage[0].stream_bytes
    streams = pack().count(b"BZh9")
    assert verdicts(manifest, "own")[0] == (0 if streams == 1 else 3)
