"""What strangers may write into a corpus, and how a test reads a page that shows it."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

EVIL = (
    "<script>alert(document.domain)</script>",
    '"><img src=http://203.0.113.7/x onerror=alert(1)>',
    "</style><style>body{display:none}</style>",
    "\x1b[2J\x1b]0;owned\x07 \u202eesrever\u2066 \u0000",
    "{{ 7 * 7 }}{% for x in y %}",
    "write to someone.private@mail.example.com or call +44 20 7946 0958 from 192.0.2.17",
)


class Elements(HTMLParser):
    """The elements of a page and their attributes, and its words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append(data.strip())


def assert_harmless(page: str) -> None:
    """Nothing that strangers wrote is an element, an attribute or a character that nobody sees."""
    found = Elements(page)
    assert not {"script", "img", "iframe", "object", "link", "form", "base"} & set(found.tags)
    assert found.tags.count("style") == 1
    assert not [name for name, _ in found.attributes if name.startswith("on") or name == "style"]
    assert not [
        value for name, value in found.attributes if name in ("href", "src") and not (value or "").startswith("#")
    ]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", page)
    assert len(page.encode()) < 500_000


def assert_drawn(page: str, folder: Path, width: int, dark: bool) -> None:
    """Chromium, without a network: nothing runs, nothing is fetched, nothing is refused for want of a policy."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no Chromium here: apt-get install chromium")
    (folder / "r.html").write_text(page, encoding="utf-8")
    line = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    line += [f"--user-data-dir={folder / 'profile'}", f"--window-size={width},1200"]
    line += [f"--screenshot={folder / 'r.png'}"]
    line += ["--blink-settings=preferredColorScheme=0"] if dark else []
    done = subprocess.run([*line, f"file://{folder / 'r.html'}"], capture_output=True, text=True, timeout=600)
    said = [entry for entry in done.stderr.splitlines() if "CONSOLE" in entry]
    assert done.returncode == 0 and said == []
    assert (folder / "r.png").stat().st_size > 10_000
