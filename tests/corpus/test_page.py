"""A page shows what strangers wrote, and nothing that they wrote does anything."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.page import CELL_CHARACTERS, count, percent, render, seen, size

TEMPLATE = """{% extends "page.html" %}
{% block title %}{{ name }}{% endblock %}
{% block body %}
<p class="{{ name }}">{{ name }}</p>
{% endblock %}
"""
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><style>*{display:none}",
    "{{ 7 * 7 }}",
    "\x1b[31mred\x1b]0;title\x07",
    "abc\u202edcba\u2066x\u2069",
    "a\x00b\u2028c\ufeff\U000e0041",
    "x" * 5_000_000,
]


class Reader(HTMLParser):
    """What a browser would make of a page: its elements, and the words between them."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    (tmp_path / "a.html").write_text(TEMPLATE)
    return tmp_path


@pytest.mark.parametrize("evil", HOSTILE, ids=lambda text: html.escape(repr(text[:12])))
def test_a_stranger_s_text_makes_no_element_and_fits_its_cell(templates: Path, evil: str) -> None:
    harmless = Reader(render(templates, "a.html", {"name": "harmless"}))
    page = render(templates, "a.html", {"name": evil})
    read = Reader(page)
    assert [tag for tag, _ in read.elements] == [tag for tag, _ in harmless.elements]
    (attributes,) = (found for tag, found in read.elements if tag == "p")
    assert attributes.keys() == {"class"}
    assert seen(evil) in read.words
    assert len(page) < len(render(templates, "a.html", {"name": ""})) + 3 * 12 * CELL_CHARACTERS


def test_the_page_allows_itself_its_own_style_and_nothing_else(templates: Path) -> None:
    page = render(templates, "a.html", {"name": "x"}).decode()
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "http" not in style and "<script" not in page and "style=" not in page
    assert page.encode() == render(templates, "a.html", {"name": "x"})


def test_a_value_that_was_forgotten_is_an_error(templates: Path) -> None:
    with pytest.raises(jinja2.UndefinedError, match="name"):
        render(templates, "a.html", {})


@given(st.text(max_size=400))
def test_what_is_seen_can_be_seen(text: str) -> None:
    shown = seen(text)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]", shown)
    if text.isascii() and text.isprintable() and len(text) <= CELL_CHARACTERS:
        assert shown == text


def test_a_cut_is_shown() -> None:
    assert seen("abcdef", 3) == "abc…"
    assert seen("abc", 3) == "abc"


def test_numbers_as_a_person_reads_them() -> None:
    assert [count(0), count(1234567)] == ["0", "1,234,567"]
    assert [size(0), size(999), size(1000), size(999_949), size(999_950), size(2.5e12), size(9e15)] == [
        *("0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "2.5 TB", "9,000.0 TB")
    ]
    assert [percent(0, 9), percent(1, 9), percent(9, 9), percent(1, 10**6), percent(10**6 - 1, 10**6)] == [
        *("0%", "11.1%", "100%", "<0.1%", ">99.9%")
    ]
    assert percent(0, 0) == "0%"
