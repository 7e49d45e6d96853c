"""The bound on a tree's depth, against the tree itself as resiliparse's HTML5 parser builds it."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from resiliparse.parse.html import DOMContext, HTMLTree, traverse_dom

from corpus.markup import MAX_DEPTH, Shape, shape

WRAPPERS = 3  # <html> and <body> or <head>, which a parser adds where a page has none; and a text

NAMES = """
    div p b a i li ul table tr td script style svg math br img span title textarea foreignObject select option
    template button form h1 dd dt noscript iframe desc mi xmp custom-element head body html frameset
"""
OTHERS = """
    <!-- --> <!--> <!---> <!--<div>--!> <!doctype> <?x<div>?> <![CDATA[ ]]> </> < <3 </3 text \0 > " ' <!--<script>
    </ <! <!- <plaintext> &lt;
"""
names = st.sampled_from(NAMES.split())
attributes = st.sampled_from(
    ["", " ", " a=1", ' a="<div>"', " a='", ' ="<b>', " a=b'>", "/", ' a = "x', " a>", '"']
)
start_tags = st.builds("<{}{}>".format, names, attributes)
end_tags = st.builds("</{}{}>".format, names, attributes)
others = st.sampled_from(OTHERS.split())
pages = st.lists(start_tags | start_tags | end_tags | others, max_size=60).map("".join)


def tree_depth(page: str) -> int:
    deepest = 0

    def enter(context: DOMContext) -> None:
        nonlocal deepest
        deepest = max(deepest, context.depth)

    document = HTMLTree.parse(page).document
    assert document is not None
    traverse_dom(document, enter)
    return deepest


@settings(max_examples=1500)
@given(pages)
@example("<svg><style>" + "<g>" * 40)
@example("<!-->" + "<div>" * 40 + "-->")
@example('<a ="><div>' + "<div>" * 40 + '">')
@example("<div><table><tr><td></div>" * 20)
@example("<b><div></b>" * 30)
@example("<svg>" + "<link>" * 40)
@example("<svg><p></p>" + "<path/>" * 40)
@example("<svg><foreignObject>" + "<path/>" * 40)
@example("<script/><div>" * 10)
def test_no_tree_is_deeper_than_the_bound(page: str) -> None:
    assert tree_depth(page) <= shape(page.encode()).depth + WRAPPERS


def test_a_well_formed_page_is_bounded_by_its_depth() -> None:
    page = (
        b"<html><body><p>a<p>b<br><ul><li>x<li>y</li></ul><!-- <i> --><script>if (a<b) '<i>'</script><DIV></div>"
    )
    assert shape(page) == Shape(tags=10, attributes=0, depth=5)
    assert shape(b"<table><tr><td>x</td></tr></table><table></table>").depth == 5


@pytest.mark.parametrize(
    ("tag", "count"),
    [
        (b"<a>", 0),
        (b"<a b>", 1),
        (b"<a b=c d='e f' g=\"h>i\" j/>", 4),
        (b"<a " + b"x=1 " * 700 + b">", 700),
        (b"<a b = c>", 1),
    ],
)
def test_attributes_are_counted(tag: bytes, count: int) -> None:
    assert shape(tag + b"<b c>" * (count > 0)).attributes == count


def test_depth_is_counted_no_further_than_the_limit() -> None:
    assert shape(b"<div>" * MAX_DEPTH).depth == MAX_DEPTH
    assert shape(b"<div>" * 10_000) == Shape(10_000, 0, MAX_DEPTH + 1)


@given(st.binary(max_size=300))
def test_any_bytes_have_a_shape(page: bytes) -> None:
    tags, attributes, depth = shape(page)
    assert 0 <= depth <= tags + 1
    assert attributes <= len(page)
