"""Lists of URLs: what a list names, against a plain reading of its lines; a list that is another is refused."""

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import SourceError
from corpus.url_list import listed, load_url_list

hosts = st.sampled_from(["a.org", "b.a.org", "xa.org", "org", "c.b.a.org", "a.org.uk", "127.0.0.1"])
paths = st.sampled_from(["", "/", "/x", "/x/", "/x?y=1", "/X"])
pages = st.builds(
    lambda scheme, host, path: f"{scheme}//{host}{path}", st.sampled_from(["http:", "https:"]), hosts, paths
)
entries = (
    hosts | pages | pages.map(lambda page: page.partition("//")[2]).filter(lambda page: "/" in page or "?" in page)
)


def load(folder: Path, data: bytes) -> object:
    path = folder / "list.txt"
    path.write_bytes(data)
    return load_url_list(str(path), hashlib.sha256(data).hexdigest())


def names(entry: str, url: str) -> bool:
    if "/" not in entry and "?" not in entry:
        host = urlsplit(url).hostname or ""
        return host == entry or host.endswith(f".{entry}")
    return url in (entry, f"http://{entry}", f"https://{entry}")


@given(st.lists(st.lists(entries, max_size=4), max_size=3), st.lists(pages, max_size=8))
def test_a_list_names_what_its_lines_say(
    tmp_path_factory: pytest.TempPathFactory, lists: list[list[str]], urls: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("lists")
    loaded = [load(folder, "".join(f"{entry}\n" for entry in lines).encode()) for lines in lists]
    found = listed([url.encode() for url in urls], loaded)  # type: ignore[arg-type]
    assert found.tolist() == [any(names(entry, url) for lines in lists for entry in lines) for url in urls]


@pytest.mark.parametrize(
    ("line", "url", "is_named"),
    [
        (b"Example.ORG.", b"https://u@News.example.org:8080/x", True),
        (b"  example.org \r", b"http://example.org", True),
        (b"# example.org", b"http://example.org", False),
        (b"", b"http://example.org", False),
        (b"example.org/A#there", b"<HTTP://EXAMPLE.org/A#here>", True),
        (b"example.org/A", b"http://example.org/a", False),
        (b"https://example.org/", b"http://example.org/", False),
        (b"example.org", b"", False),
        (b"example.org", b"example.org", True),
        (b"org", b"http://" + b"a." * 130 + b"org/", False),
        ("bücher.example".encode(), "http://bücher.example/x".encode(), True),
    ],
)
def test_by_hand(tmp_path: Path, line: bytes, url: bytes, is_named: bool) -> None:
    loaded = load(tmp_path, b"else.where\n" + line + b"\nand.another/x")
    assert listed([b"http://fine.net/", url], [loaded]).tolist() == [False, is_named]  # type: ignore[list-item]


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"a.org\n")
    with pytest.raises(SourceError, match="the recipe says 0000") as caught:
        load_url_list(str(tmp_path / "list.txt"), "0" * 64)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    "line", [b"0.0.0.0 a.org", b"||a.org^", b"*.a.org", b"@@||a.org/x", b"<a.org>", b"http://a b/", b"a@b.org"]
)
def test_a_line_of_another_form_is_refused_by_its_number(tmp_path: Path, line: bytes) -> None:
    with pytest.raises(SourceError, match=r"neither a domain nor a URL") as caught:
        load(tmp_path, b"a.org\n# said\n" + line)
    assert "line 3" in caught.value.where
