"""Small sound files of every format, a few records each with what the format is known for, in plain Python.

Not a line is shared with the readers, nor with the sample: a file here is as its makers write it.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Mapping
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

PROSE = (
    "It was a bright cold day in spring, and the clocks of the town were striking nine. ",
    "Nobody who lived along the river could say, later on, when the first of the barges had come. ",
    "“Naïve,” she said – and closed the door. Ὅμηρος, Москва, 東京, 🙂. ",
    "A & B are < C; see 'D' or \"E\" \\ F. ",
)
URL = "https://www.example.org/2019/11/a-story?id=7"


def _text(sentences: int, start: int = 0) -> str:
    return "".join(PROSE[(start + n) % len(PROSE)] for n in range(sentences))


def _json_lines(values: list[object], *, ascii_only: bool = True) -> bytes:
    return b"".join(json.dumps(value, ensure_ascii=ascii_only).encode() + b"\n" for value in values)


def _pile() -> bytes:
    sets = ("Pile-CC", "OpenWebText2", "Wikipedia (en)", "USPTO Backgrounds")
    lines: list[object] = [
        {"text": _text(3 + n, n), "meta": {"pile_set_name": name}} for n, name in enumerate(sets)
    ]
    return _json_lines([*lines, {"text": _text(2), "meta": json.dumps({"pile_set_name": "Github"})}])


def _articles() -> list[object]:
    """As news-please writes them."""
    common = {"authors": ["A. B."], "date_download": "2019-11-20 10:00:00+00:00", "language": "en", "url": URL}
    return [
        {**common, "title": "A story", "maintext": _text(6), "description": _text(1), "image_url": None},
        {**common, "title": None, "maintext": _text(4, 2)},
        {**common, "title": "None", "maintext": None},
    ]


def _reddit() -> bytes:
    """A submission, comments as different years have them, and one that is gone."""
    lines: list[object] = [
        {"id": "5yba3", "title": "A &amp; B", "selftext": _text(2), "created_utc": 1134365188, "is_self": True},
        {
            "id": "c01",
            "link_id": "t3_5yba3",
            "parent_id": "t3_5yba3",
            "body": _text(2),
            "created_utc": "1167609600",
        },
        {"id": "c02", "link_id": "t3_5yba3", "parent_id": "t1_c01", "body": "[deleted]", "author": "[deleted]"},
        {"id": 12345, "link_id": 9876543, "parent_id": None, "body": _text(1, 2), "created_utc": 1706745600.0},
        {
            "id": "zik0zj",
            "link_id": "t3_zik0zj",
            "parent_id": "t1_c02",
            "body": "&gt; " + _text(1),
            "edited": False,
        },
    ]
    return _json_lines(lines)


def _warc(kind: str, block: bytes, **more: str) -> bytes:
    fields = {
        "WARC-Type": kind,
        "WARC-Record-ID": "<urn:uuid:c9d1b9d4-7a4b-4a0e-9d2a-0b1c2d3e4f50>",
        "WARC-Date": "2019-11-20T10:00:07Z",
        "WARC-Target-URI": URL,
        **{name.replace("_", "-"): value for name, value in more.items()},
        "Content-Length": str(len(block)),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"WARC/1.0\r\n{head}\r\n".encode() + block + b"\r\n\r\n"


def _page(charset: str) -> bytes:
    body = "".join(f"<p class='a'>{escape(_text(3, n))}</p>" for n in range(3))
    script = "<script>if (a < b) document.write('<p>no</p>');</script>"
    side = "<ul><li><a href='/'>Home</a><li><a href='/b'>More</a></ul><table><tr><td>1<td>2</table>"
    head = f'<head><meta charset="{charset}"><title>A story</title>{script}</head>'
    article = f"<article><h1>A story</h1>{body}</article><!-- x -->"
    page = f"<!DOCTYPE html>\n<html>{head}<body>{side}{article}</body></html>"
    return page.encode(charset, "xmlcharrefreplace")


def _http(body: bytes, *fields: str, status: str = "200 OK") -> bytes:
    return (
        f"HTTP/1.1 {status}\r\n{''.join(f'{field}' + chr(13) + chr(10) for field in fields)}\r\n".encode() + body
    )


def _chunked(body: bytes) -> bytes:
    return b"".join(
        b"%x\r\n%s\r\n" % (len(body[at : at + 700]), body[at : at + 700]) for at in range(0, len(body), 700)
    )


def _crawl() -> bytes:
    html = "Content-Type: text/html; charset="
    pages = (
        _http(_page("utf-8"), html + "utf-8", "X-Robots-Tag: noai"),
        _http(_page("iso-8859-1"), "Content-Type: text/html", "Transfer-Encoding: chunked"),
        _http(gzip.compress(_page("utf-8"), mtime=0), html + "utf-8", "Content-Encoding: gzip"),
        _http(_chunked(_page("windows-1252")) + b"0\r\n\r\n", html + "windows-1252", "Transfer-Encoding: chunked"),
        _http(b"gone", "Content-Type: text/html", status="404 Not Found"),
        _http(b"%PDF-1.4", "Content-Type: application/pdf"),
    )
    info = _warc("warcinfo", b"software: crawler/1.0\r\nformat: WARC File Format 1.0\r\n")
    request = _warc("request", b"GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n")
    return info + b"".join(_warc("response", page) + request for page in pages)


def _arc() -> bytes:
    about = b"1 0 Archive\nURL IP-address Archive-date Content-type Archive-length\n"
    page = _http(_page("utf-8"), "Content-Type: text/html")
    blocks = (
        ("filedesc://a.arc 0.0.0.0 20080430204825 text/plain", about),
        ("http://a.example.org/b c 192.0.2.1 20080430204826 text/html", page),
        ("dns:www.example.org 192.0.2.2 20080430204827 text/dns", b"www.example.org 192.0.2.1\n"),
        ("http://www.example.org/ 192.0.2.1 20080430204828 text/html 200 - - 0 a.arc", _http(_page("iso-8859-1"))),
    )
    return b"".join(b"%s %d\n%s\n" % (line.encode(), len(block), block) for line, block in blocks)


def _hacker_news() -> bytes:
    """A story and its comments as the API has them, some as tables have them, a job, and one that is gone."""
    lines: list[object] = [
        {"id": 8, "type": "story", "by": "a", "title": "A &amp; B", "score": 3, "kids": [9, 10], "descendants": 3},
        {
            "id": 9,
            "type": "comment",
            "by": "b",
            "parent": 8,
            "text": f"{_text(1)}<p>&#x27;{_text(1)}",
            "kids": [11],
        },
        {"id": "10", "type": "comment", "by": "c", "parent": "8", "text": _text(2), "dead": 0},
        {"id": 11, "type": "comment", "parent": 9, "deleted": True, "time": 1160418111},
        {"id": 12, "type": "job", "by": "d", "title": "Wanted", "url": "http://www.example.org/", "score": 1},
    ]
    return _json_lines(lines)


def _wet() -> bytes:
    info = _warc("warcinfo", b"Software-Info: ia-web-commons\r\n")
    texts = (_text(6), _text(1), "", _text(9, 1))
    language = "eng,deu"
    return info + b"".join(
        _warc("conversion", text.encode(), WARC_Identified_Content_Language=language) for text in texts
    )


def _wiki_page(title: str, text: str, ns: int = 0, more: str = "") -> str:
    return (
        f"  <page>\n    <title>{escape(title)}</title>\n    <ns>{ns}</ns>\n    <id>7</id>\n{more}    <revision>\n"
        f"      <id>8</id>\n      <timestamp>2020-03-01T00:00:00Z</timestamp>\n      <model>wikitext</model>\n"
        f'      <format>text/x-wiki</format>\n      <text bytes="{len(text.encode())}" xml:space="preserve">'
        f"{escape(text)}</text>\n    </revision>\n  </page>\n"
    )


def _wikipedia() -> bytes:
    article = (
        "{{Infobox town|name=A|map={{map|1}}}}\n'''Town''' is a [[city|place]]<ref name=\"a\">{{cite|x}}</ref> in "
        f"[[Country]]. {_text(4)}\n\n== History ==\n[[File:A.jpg|thumb|a [[b]]]]\n{_text(3, 1)}\n* one\n* two\n"
        '{| class="wikitable"\n|-\n| a || b\n|}\n=== Later ===\n<nowiki>[[x]]</nowiki> &nbsp; [http://a.b c]\n'
        "[[Category:Towns]]\n"
    )
    pages = (
        _wiki_page("Town", article),
        _wiki_page("Towns", "#REDIRECT [[Town]]", more='    <redirect title="Town" />\n'),
        _wiki_page("Talk:Town", "Words. ~~~~", ns=1),
        _wiki_page("A & B", f"'''A''' {_text(5, 2)}"),
    )
    head = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/" version="0.10" xml:lang="en">\n'
    return (head + "  <siteinfo/>\n" + "".join(pages) + "</mediawiki>\n").encode()


def _aps() -> bytes:
    return (
        "PATN\nWKU  039305274\nTTL  Thing with\n     a wrapped title\nBSUM\n"
        f"PAC  BACKGROUND OF THE\n     INVENTION\nPAR  {PROSE[0]}\n     {PROSE[1]}\nPA1  A second one.\n"
        "PAC  SUMMARY\nPAR  Not this.\nDETD\nPAR  Nor this.\n"
    ).encode("latin-1")


def _patent_xml_2() -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE PATDOC SYSTEM "ST32-US-Grant-025xml.dtd" [\n'
        '<!ENTITY US1-M00001.NB SYSTEM "US1-M00001.NB" NDATA NB>\n]>\n<PATDOC DTD="2.5"><SDODE><BRFSUM><BTEXT>\n'
        '<H LVL="1"><STEXT><PDAT>FIELD</PDAT></STEXT></H>\n<PARA ID="P-1"><PTEXT><PDAT>It is &ldquo;new&rdquo;: '
        f"{escape(_text(3))}</PDAT></PTEXT></PARA>\n</BTEXT></BRFSUM></SDODE></PATDOC>\n"
    ).encode()


def _patent_xml_4() -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE us-patent-grant SYSTEM "us-patent-grant-v42.dtd" [ ]>\n'
        '<us-patent-grant lang="EN"><abstract><p>Abstract.</p></abstract>\n<description id="description">\n'
        '<?BRFSUM description="Brief Summary" end="lead"?>\n<heading id="h-1" level="1">BACKGROUND</heading>\n'
        f'<p id="p-1">{escape(_text(3))}<b>1</b><tables><table><entry>cell</entry></table></tables></p>\n'
        '<heading level="1">SUMMARY</heading>\n<p>Not this.</p>\n</description></us-patent-grant>\n'
    ).encode()


def _film(encoding: str) -> bytes:
    sentences = "".join(
        f'  <s id="{n}">\n    <time id="T{n}S" value="00:00:0{n},000" />\n{escape(sentence)}\n  </s>\n'
        for n, sentence in enumerate(PROSE)
    )
    film = f'<?xml version="1.0" encoding="{encoding}"?>\n<document id="7">\n{sentences}<meta/></document>\n'
    return film.encode(encoding, "xmlcharrefreplace")


def _book() -> bytes:
    head = "The Project Gutenberg EBook of X\r\n\r\nTitle: X\r\nCharacter set encoding: ISO-8859-1\r\n\r\n"
    book = f"{head}*** START ***\r\nCHAPTER I.\r\n\r\n" + _text(2).replace(". ", ".\r\n") + "caf\xe9\r\n"
    return book.encode("latin-1", "ignore")


def streams() -> Mapping[str, tuple[bytes, ...]]:
    """Reader's name -> sound uncompressed streams of it."""
    questions = "".join(f"What is {n} + {n}?\n{2 * n}\n" for n in range(500))
    paragraphs = "\n\n".join(_text(n, n) for n in range(1, 6)) + "\n"
    sentences = "".join(f"{PROSE[n % 4].lower().replace(',', ' ,').strip()}\n" for n in range(60))
    objects: list[object] = [{"text": _text(n, n), "id": n, "more": {"a": [n, None]}} for n in range(6)]
    return {
        "arc": (_arc(),),
        "book-corpus": (sentences.encode(),),
        "cc-news": (_crawl(),),
        "dm-mathematics": (questions.encode(),),
        "gutenberg": (_book(), _text(9).encode()),
        "hacker-news": (_hacker_news(),),
        "jsonl": (_json_lines(objects), _json_lines(objects, ascii_only=False)),
        "news-please": tuple(_json_lines([article]) for article in _articles()),
        "news-please-lines": (_json_lines(_articles()),),
        "open-subtitles": (_film("utf-8"), _film("iso-8859-1")),
        "pile": (_pile(),),
        "reddit": (_reddit(),),
        "text": (paragraphs.encode(), paragraphs.encode("utf-16")),
        "text-blocks": (paragraphs.encode(), paragraphs.replace("\n", "\r\n").encode()),
        "text-lines": (paragraphs.encode(),),
        "uspto": (_aps() * 2 + _patent_xml_2() + _patent_xml_4() * 2, _patent_xml_4()),
        "wet": (_wet(),),
        "wikipedia": (_wikipedia(),),
    }


def containers(records: bytes) -> Mapping[str, bytes]:
    """A file's ending -> these records in such a file, cut into several frames, members or streams."""
    third = len(records) // 3
    parts = [records[:third], records[third : 2 * third], records[2 * third :]]
    framed = zstandard.ZstdCompressor(level=3, write_checksum=True, write_content_size=False)
    lines = records.splitlines(keepends=True)
    members = {
        "a/1.jsonl": b"".join(lines[:2]),
        "a/2.jsonl.gz": gzip.compress(lines[2], mtime=0),
        "b.jsonl": b"".join(lines[3:]),
    }
    skippable = b"\x50\x2a\x4d\x18\x04\0\0\0skip"
    return {
        ".bz2": b"".join(map(bz2.compress, parts)),
        ".gz": b"".join(gzip.compress(part, mtime=0) for part in parts),
        ".tar": _tar(members),
        ".xz": lzma.compress(parts[0])
        + lzma.compress(parts[1], check=lzma.CHECK_SHA256)
        + lzma.compress(parts[2]),
        ".zst": framed.compress(parts[0]) + skippable + zstandard.compress(parts[1]) + framed.compress(parts[2]),
    }


def _tar(members: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.pax_headers = len(content), {"comment": "é" * 9}
            archive.addfile(member, io.BytesIO(content))
        for kind, target in ((tarfile.SYMTYPE, "/etc/passwd"), (tarfile.CHRTYPE, ""), (tarfile.DIRTYPE, "")):
            link = tarfile.TarInfo("c")
            link.type, link.linkname = kind, target
            archive.addfile(link)
    return packed.getvalue()


def tables() -> tuple[bytes, ...]:
    """Parquet files: pages with checksums and without, of several codings and codecs, several row groups."""
    texts = [_text(n % 5, n) if n % 7 else None for n in range(60)]
    table = pa.table({"text": texts, "label": pa.array([str(n % 3) for n in range(60)]).dictionary_encode()})
    files = []
    for codec, checksum, dictionary in (("zstd", True, True), ("none", False, False), ("snappy", False, True)):
        packed = io.BytesIO()
        pq.write_table(
            table,
            packed,
            row_group_size=25,
            compression=codec,
            write_page_checksum=checksum,
            use_dictionary=dictionary,
        )
        files.append(packed.getvalue())
    return tuple(files)
