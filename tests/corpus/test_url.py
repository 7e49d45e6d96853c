"""URLs: what is the same, worked by hand and against the standard library; what is not stays apart."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.url import canonical_url, host_of, url_key

pieces = st.sampled_from(
    [b"http", b"HTTPS", b":", b"//", b"/", b"www.A.b", b"a.b", b"@", b"?", b"#", b"<", b">", b" ", b"%2F", b":80"]
)
urls = st.lists(pieces | st.binary(max_size=3), max_size=10).map(b"".join)


@given(urls)
def test_what_is_canonical_stays_so(url: bytes) -> None:
    once = canonical_url(url)
    assert canonical_url(once) == once
    assert b"#" not in once
    assert once == once.strip(b" \t\r\n<>")


@given(
    urls, st.sampled_from([b"", b"#", b"#c", b"# >x"]), st.sampled_from([(b"<", b">"), (b" ", b"\n"), (b"", b"")])
)
def test_fragments_and_what_stands_around_do_not_matter(
    url: bytes, fragment: bytes, around: tuple[bytes, bytes]
) -> None:
    assert canonical_url(around[0] + url + around[1] + fragment) == canonical_url(url)


@given(
    st.sampled_from(["http", "HTTPS", "Ftp"]),
    st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,8}[A-Za-z0-9])?", fullmatch=True),
    st.sampled_from(["", ":80", ":8080"]),
    st.from_regex(r"(/[A-Za-z0-9._~%!$&'()*+,;=:@-]{0,6}){0,3}(\?[A-Za-z0-9=&/?]{0,6})?", fullmatch=True),
)
def test_scheme_and_host_are_those_of_the_standard_library(scheme: str, host: str, port: str, rest: str) -> None:
    canonical = canonical_url(f"{scheme}://Us%eR@{host}{port}{rest}".encode())
    assert canonical == f"{scheme.lower()}://Us%eR@{host.lower()}{port}{rest}".encode()
    assert host_of(canonical).decode() == urlsplit(canonical.decode()).hostname


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        (b"<HTTP://User@News.Example.ORG:80/A?B=c#d>", b"http://User@news.example.org:80/A?B=c"),
        (b"//A.b/C", b"//a.b/C"),
        (b"http://A.b?Q=/X", b"http://a.b?Q=/X"),
        ("http://BÜCHER.example/Ü".encode(), "http://bÜcher.example/Ü".encode()),
        (b"www.Example.org/A", b"www.Example.org/A"),
        (b"urn:uuid:AB", b"urn:uuid:AB"),
        (b"<>", b""),
        (b"", b""),
    ],
)
def test_by_hand(url: bytes, canonical: bytes) -> None:
    assert canonical_url(url) == canonical


@pytest.mark.parametrize(
    "other",
    [
        "https://a.b/c",
        "http://a.b/c/",
        "http://a.b/C",
        "http://www.a.b/c",
        "http://a.b:80/c",
        "http://a.b/c?",
        "http://a.b/%63",
    ],
)
def test_nothing_that_a_site_could_tell_apart_is_one(other: str) -> None:
    assert canonical_url(other.encode()) != canonical_url(b"http://a.b/c")
    assert url_key(canonical_url(other.encode())) != url_key(canonical_url(b"http://a.b/c"))


@pytest.mark.parametrize(
    ("canonical", "host"),
    [
        (b"http://a.b./c", b"a.b"),
        (b"http://u:p@a.b:8080?x", b"a.b"),
        (b"http://[::1]:80/", b"[::1]"),
        (b"//a.b/c", b"a.b"),
        (b"urn:a.b", b""),
    ],
)
def test_hosts_by_hand(canonical: bytes, host: bytes) -> None:
    assert host_of(canonical) == host
