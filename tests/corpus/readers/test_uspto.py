import pytest

from corpus.drops import Drop
from corpus.readers.record import Records
from corpus.readers.uspto import read_uspto

APS = b"""PATN
WKU  039305274
TTL  Thing with
     a wrapped title
INVT
NAM  Doe; John
BSUM
PAC  FIELD OF THE INVENTION
PAR  Not this.
PAC  BACKGROUND OF THE
     INVENTION
PAR  The first paragraph runs
     over two lines.
PA1  The second
      is indented \xb0.
PAC  SUMMARY
PAR  Not this either.
PAC  BACKGROUND
PAR  Nor this.
DETD
PAC  BACKGROUND
PAR  Nor this, for it is no summary.
"""

V2 = b"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE PATDOC SYSTEM "ST32-US-Grant-025xml.dtd" [
<!ENTITY US1-M00001.NB SYSTEM "US1-M00001.NB" NDATA NB>
]>
<PATDOC DTD="2.5"><SDOAB><BTEXT><PARA><PTEXT><PDAT>Abstract.</PDAT></PTEXT></PARA></BTEXT></SDOAB>
<SDODE><BRFSUM><BTEXT>
<H LVL="1"><STEXT><PDAT>FIELD OF THE INVENTION</PDAT></STEXT></H>
<PARA ID="P-1"><PTEXT><PDAT>It is &ldquo;new&rdquo;, x</PDAT>
<HIL><SB><PDAT>1</PDAT></SB></HIL><PDAT>.</PDAT></PTEXT></PARA>
<PARA ID="P-2"><PTEXT><PDAT>More.</PDAT></PTEXT></PARA>
</BTEXT></BRFSUM>
<DETDESC><BTEXT><PARA><PTEXT><PDAT>Details.</PDAT></PTEXT></PARA></BTEXT></DETDESC></SDODE></PATDOC>
"""

V4 = b"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE us-patent-grant SYSTEM "us-patent-grant-v42-2006-08-23.dtd" [ ]>
<us-patent-grant lang="EN"><abstract><p>Abstract.</p></abstract>
<description id="description">
<?BRFSUM description="Brief Summary" end="lead"?>
<heading id="h-1" level="1">TECHNICAL FIELD</heading>
<p id="p-1">Not this.</p>
<heading id="h-2" level="1">Background of <b>it</b></heading>
<p id="p-2" num="1">One
of <i>two</i> &#x201c;parts&#x201d;.</p>
<p id="p-3" num="2">Two<tables id="T"><table><entry>cell</entry></table></tables> parts.</p>
<heading id="h-3" level="1">SUMMARY</heading>
<p id="p-4">Nor this.</p>
</description><claims><claim><claim-text>1. A thing.</claim-text></claim></claims></us-patent-grant>
"""


def read(stream: bytes, chunk: int = 2**20, limit: int = 2**20) -> list[Records]:
    chunks = (stream[at : at + chunk] for at in range(0, len(stream), chunk))
    return list(read_uspto(chunks, max_record_bytes=limit))


def rows(batches: list[Records]) -> list[tuple[int, str, int]]:
    return [
        (number, text.decode(), damage)
        for records in batches
        for number, text, damage in zip(
            records.number.tolist(), records.text, records.damage.tolist(), strict=True
        )
    ]


def skipped(batches: list[Records]) -> dict[str, tuple[int, int]]:
    return {label: counts for records in batches for label, counts in records.skipped.items()}


@pytest.mark.parametrize(
    ("patent", "text"),
    [
        (APS, "The first paragraph runs over two lines.\nThe second is indented °."),
        (APS.replace(b"\n", b"\r\n"), "The first paragraph runs over two lines.\nThe second is indented °."),
        (V2, "It is “new”, x 1.\nMore."),
        (V4, "One of two “parts”.\nTwo parts."),
    ],
)
def test_the_background_of_each_format(patent: bytes, text: str) -> None:
    batches = read(patent)
    assert rows(batches) == [(0, text, 0)]
    assert [raw for records in batches for raw in records.raw] == [patent]


@pytest.mark.parametrize("chunk", [1, 61, 2**20])
def test_patents_end_to_end_are_told_apart(chunk: int) -> None:
    bare = V4.replace(b"Background", b"Foreground")
    batches = read(b"HHHHHT    APS1   ISSUE\n" + APS + APS + V2 + bare + V4, chunk)
    assert [(number, damage) for number, _, damage in rows(batches)] == [(1, 0), (2, 0), (3, 0), (5, 0)]
    assert skipped(batches) == {"outside the patents": (1, 23), "no background section": (1, len(bare))}


@pytest.mark.parametrize(
    "broken",
    [
        V4[:300],
        V4.replace(b"</description>", b""),
        V4.replace(b"[ ]", b'[<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]').replace(b"One", b"&b;"),
    ],
)
def test_a_broken_patent_is_one_row(broken: bytes) -> None:
    found = rows(read(V4 + broken + b"\n" + V4))
    assert [(number, damage) for number, _, damage in found] == [(0, 0), (1, Drop.BROKEN_XML), (2, 0)]


def test_a_patent_over_the_limit_is_passed_over() -> None:
    found = rows(read(APS + V4.replace(b"cell", b"cell" * 1000) + APS, limit=2000))
    assert [damage for _, _, damage in found] == [0, Drop.OVERSIZE_RECORD, 0]
