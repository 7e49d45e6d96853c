"""The extractors behind their seam: what they keep, what is refused, and that a page's text is its own affair."""

import importlib.metadata
import sys
import textwrap
from itertools import zip_longest
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus import html_text
from corpus.drops import Drop
from corpus.errors import RecipeError
from corpus.html_text import Extractor, detect_charset, extract_text, extractor_version, python_codec

SENTENCES = [f"This is sentence number {n} of an article, long enough to be taken for prose." for n in range(40)]
ARTICLE = (
    "<html><head><title>Title</title><script>var hidden = '<p>no</p>'</script></head><body>"
    "<nav><a href='/'>Home</a><a href='/x'>Sections</a></nav><article>"
    + "".join(f"<p>{' '.join(SENTENCES[at : at + 4])}</p>" for at in range(0, 40, 4))
    + "</article><footer>Copyright</footer></body></html>"
)
EXTRACTORS = pytest.mark.parametrize("name", ["resiliparse", "trafilatura"])


@EXTRACTORS
def test_the_article_is_kept_and_what_surrounds_it_is_not(name: Extractor) -> None:
    text = extract_text(name)(ARTICLE)
    assert isinstance(text, bytes)
    assert all(sentence.encode() in text for sentence in SENTENCES)
    assert not any(other in text for other in (b"hidden", b"Sections", b"Copyright"))


@EXTRACTORS
@pytest.mark.parametrize(
    "bomb",
    [
        "<div>" * 200_000,
        "<div>" * 600 + "</div>" * 600,
        "<b><a>" * 100_000,
        "<p>" + "<i>" * 600,
        f"<div {' '.join(f'a{n}=1' for n in range(100_000))}>",
        "<br>" * 200_000,
        "x" * (html_text.MAX_PAGE_BYTES + 1),
        "é" * (html_text.MAX_PAGE_BYTES // 2 + 1),
    ],
    ids=["open", "closed", "misnested", "inline", "attributes", "tags", "bytes", "characters"],
)
def test_a_bomb_is_refused(name: Extractor, bomb: str) -> None:
    assert extract_text(name)(ARTICLE + bomb) == Drop.OVERSIZE_PAGE


@EXTRACTORS
def test_unclosed_tags_do_not_count_as_depth(name: Extractor) -> None:
    # The bound takes them for nested; a parser closes each <td> and <tr> at the next.
    page = ARTICLE + "<table>" + "<tr><td>cell<td>cell" * 1000 + "</table>"
    assert isinstance(extract_text(name)(page), bytes)


@EXTRACTORS
@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from(["<p>", "</p>", "<div", ">", "&#xD800;", "\0", "&#0;", "<!--", "\ud800", "é", "<svg>"])
    )
)
def test_any_page_is_text_or_damage(name: Extractor, parts: list[str]) -> None:
    answer = extract_text(name)("".join(parts) + "word " * 20)
    assert answer == Drop.BROKEN_PAGE or (isinstance(answer, bytes) and answer.decode() is not None)


@EXTRACTORS
def test_what_was_read_before_does_not_matter(name: Extractor) -> None:
    extract = extract_text(name)
    pages = [ARTICLE, ARTICLE.replace("prose", "verse"), ARTICLE, "<p>short</p>", ARTICLE]
    alone = [extract_text(name)(page) for page in pages]
    assert [extract(page) for page in pages] == alone
    assert [extract(page) for page in reversed(pages)] == alone[::-1]


@EXTRACTORS
def test_what_a_library_raises_is_the_page_s_damage(name: Extractor, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(page: str) -> str:
        raise RecursionError(page)

    monkeypatch.setattr(html_text, f"_{name}", lambda: fail)
    assert extract_text(name)(ARTICLE) == Drop.BROKEN_PAGE


@EXTRACTORS
def test_a_version_names_every_package_that_decides(name: Extractor) -> None:
    named = dict(part.split(" ") for part in extractor_version(name).split(", "))
    assert {name, "resiliparse"} <= named.keys()
    assert named == {package: importlib.metadata.version(package) for package in named}


def test_a_library_that_is_not_there_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trafilatura", None)
    with pytest.raises(RecipeError, match=r"pip install 'tokentrail\[web\]'"):
        extract_text("trafilatura")


def test_an_unknown_extractor_is_told_the_others() -> None:
    with pytest.raises(RecipeError, match="resiliparse, trafilatura"):
        extract_text("lynx")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("ISO-8859-1", "cp1252"),
        ("utf8", "utf-8"),
        ("Windows-1251", "cp1251"),
        ("GB2312", "gbk"),
        ("nonsense", None),
    ],
)
def test_a_charset_is_what_browsers_take_it_for(label: str, codec: str | None) -> None:
    assert python_codec(label) == codec
    assert codec is None or "abc".encode(codec) == b"abc"


def test_bytes_show_their_charset() -> None:
    russian = "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему. " * 5
    assert russian.encode("cp1251").decode(detect_charset(russian.encode("cp1251"))) == russian
    assert detect_charset(russian.encode()) == "utf-8"


def test_the_readme_shows_what_the_extractors_make_of_its_page() -> None:
    root = Path(__file__).resolve().parents[2]
    page = (root / "tests/corpus/pages/article.html").read_text(encoding="utf-8")
    columns = []
    for name in ("resiliparse", "trafilatura"):
        text = extract_text(name)(page)
        assert isinstance(text, bytes)
        lines = text.decode().expandtabs(4).splitlines()
        columns.append([part for line in lines for part in textwrap.wrap(line, 54) or [""]])
    shown = [f"{left:<54}  {right}".rstrip() for left, right in zip_longest(*columns, fillvalue="")]
    assert "\n".join(shown) in (root / "README.md").read_text(encoding="utf-8")
