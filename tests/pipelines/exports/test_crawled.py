"""What records say of themselves, counted by a plain reading of the same lines; what strangers write does nothing.

The corpus is of JSON lines whose facts are hostile, under a recipe whose words are.
"""

from __future__ import annotations

import json
import random
import unicodedata
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from raw_data import prose
from tiny_corpus import Tiny, command

from corpus.manifest import load_manifest, read_ref
from pipelines.crawled import known_of
from pipelines.exports.eu_summary import eu_summary
from pipelines.exports.formats import DESCRIBED, FORMATS, export
from pipelines.exports.questions import Answers, Asked
from pipelines.sealed_corpus import SealedCorpus, load_sealed_corpus

EVIL = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)> [x](javascript:alert(3)) "
    '![i](http://e.example/i.png) \u202etxt.exe\u202c \x1b[31mred\x1b[0m \x9b2J | cell ` code "quoted" '
    "'q' # head\n---\nlicense: mit\n# Owned\n<!-- --> &lt;b&gt; http://www.evil.example www.evil.example "
    "{{ 7*7 }} ${7*7} \\<b> \ufeff\u2028"
)
HOSTS = ["a.example", "www.a.example", "b.example:8080", "ünï.example", "x<script>.example", ""]


def record(draw: random.Random) -> dict[str, str]:
    host = draw.choice(HOSTS)
    return {
        "text": prose(draw, 60),
        "url": f"HTTPS://{host.upper()}/{draw.randrange(10**6)}" if host else "",
        "date": draw.choice(["2019-11-20T10:00:00Z", "2021-02-28", "yesterday", "", "2020-13-01"]),
        "language": draw.choice(["en", "de", "", EVIL]),
        "licence": draw.choice(["CC-BY-4.0", ""]),
        "opt_out": draw.choice(["", "robots: noai", EVIL]),
    }


RECORDS = [record(random.Random(number)) for number in range(80)]
RECIPE = f"""
name = "hostile"
version = "1.0.0"
description = {json.dumps(EVIL)}
[[input]]
name = "lines"
reader = "jsonl"
files = ["*.jsonl"]
sources = {{ "*" = "stranger" }}
facts = {{ url = "url", date = "date", language = "language", licence = "licence", opt_out = "opt_out" }}
[[source]]
name = "stranger"
title = {json.dumps(EVIL)}
holder = {json.dumps(EVIL)}
licence = {json.dumps(EVIL)}
url = {json.dumps("javascript:alert(1)//" + EVIL)}
status = {json.dumps(EVIL)}
[validation]
bytes = 2000
"""


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> SealedCorpus:
    root = tmp_path_factory.mktemp("hostile")
    (root / "data").mkdir()
    lines = "".join(f"{json.dumps(found)}\n" for found in RECORDS)
    (root / "data" / "a.jsonl").write_text(lines)
    (root / "recipe.toml").write_text(RECIPE.replace("\\u007f", "?"))
    line = ("--recipe", root / "recipe.toml", "--data", root / "data", "--out", root / "store", "--workers", "1")
    built = command("build_corpus.py", *line)
    assert built.returncode == 0, built.stderr
    return load_sealed_corpus(str(root / "store/refs/hostile/1.0.0"))


class Tags(HTMLParser):
    """The elements of a page, and where its links and pictures lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()
        self.leads: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found[tag] += 1
        self.leads += [
            value or "" for name, value in attributes if name in ("href", "src") or name.startswith("on")
        ]


def tags_of(markdown: str) -> Tags:
    """What a browser is given by a renderer that lets HTML through and makes links of all that looks like one."""
    tags = Tags()
    tags.feed(MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough").render(markdown))
    return tags


def check_harmless(name: str, text: str) -> None:
    hidden = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    unseen = [c for c in text if unicodedata.category(c) in hidden and c != "\n"]
    assert unseen == [], name
    if name in ("in-toto", "slsa", "croissant", "openlineage"):
        assert not {"<", ">", "&"} & set(text)
        assert text.isascii()
        for line in text.splitlines() if name == "openlineage" else [text]:
            json.loads(line)
        return
    body = text
    if name == "dataset-card":
        _, above, body = text.split("---\n", 2)
        assert set(yaml.safe_load(above)) <= {
            *("pretty_name", "license", "size_categories", "task_categories", "tags", "viewer", "language")
        }
    tags = tags_of(body)
    assert tags.leads == [], name
    assert set(tags.found) <= {
        *("h1", "h2", "h3", "p", "ul", "li", "code", "pre", "table", "thead", "tbody", "tr", "th", "td"),
        *("strong", "em", "br"),
    }, name


@pytest.mark.parametrize("name", FORMATS)
def test_a_malicious_source_does_no_harm(hostile: SealedCorpus, name: str) -> None:
    check_harmless(name, export(hostile, name, Answers()).decode())


def test_the_words_are_all_there_for_a_machine(hostile: SealedCorpus) -> None:
    """Escapes change no value."""
    recipe = json.loads(export(hostile, "slsa", Answers()))["predicate"]["buildDefinition"]["externalParameters"]
    assert recipe["recipe"]["source"][0]["title"] == EVIL
    made = json.loads(export(hostile, "croissant", Answers()))
    assert made["description"] == EVIL
    assert "url" not in made["prov:wasDerivedFrom"][0]  # which a page would make a link of


def test_the_terminal_is_sent_nothing(hostile: SealedCorpus) -> None:
    ref = f"{hostile.store}/refs/hostile/1.0.0"
    for arguments in (("lint", ref), *(("export", ref, name) for name in FORMATS)):
        done = command("audit.py", *arguments)
        assert done.returncode == 0, done.stderr
        assert done.stdout.replace("\n", "").isprintable()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.text(max_size=200) | st.sampled_from([EVIL, "`" * 9, "|", "---", "</script>", "a\nb: c", " - x"]))
def test_no_words_do_harm(tiny: Tiny, words: str) -> None:
    """Whatever a recipe says: in every format, without another build."""
    corpus = load_sealed_corpus(tiny.ref)
    recipe = corpus.manifest.recipe
    sources = tuple(
        msgspec.structs.replace(source, title=words, holder=words, licence=words, url=words, status=words)
        for source in recipe.source
    )
    said = msgspec.structs.replace(recipe, description=words, source=sources)
    corpus = replace(corpus, manifest=msgspec.structs.replace(corpus.manifest, recipe=said))
    answers = Answers(answered_by=words, answers={"corpus.uses": words, "eu.provider": words})
    known = known_of(corpus.store, corpus.manifest)
    for name, writer in DESCRIBED.items():
        if name != "croissant":  # which names the manifest's own file
            check_harmless(name, writer(corpus, known, Asked(answers)).decode())


def kept_records(corpus: SealedCorpus) -> list[dict[str, str]]:
    """The lines are all different and long enough: each is kept."""
    assert corpus.documents == len(RECORDS)
    return RECORDS


def test_what_is_known_is_what_the_lines_say(hostile: SealedCorpus) -> None:
    known = known_of(hostile.store, hostile.manifest)["stranger"]
    records = kept_records(hostile)
    hosts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for found in records:
        if found["url"]:
            # The scheme and ASCII letters of the host are written small, nothing else is.
            host = found["url"].split("/")[2].partition(":")[0]
            host = "".join(c.lower() if c.isascii() else c for c in host).removeprefix("www.")
            hosts[host] += 1
            sizes[host] += len(found["text"].encode())
    assert known.host_documents == hosts
    assert known.host_bytes == sizes
    days = sorted(
        found["date"][:10] for found in records if found["date"][:4].isdigit() and "13-" not in found["date"]
    )
    assert (known.dated, known.first, known.last) == (len(days), days[0], days[-1])
    for counter, key in ((known.stated, "language"), (known.licences, "licence"), (known.opt_outs, "opt_out")):
        assert counter == Counter(found[key] for found in records if found[key])


def test_the_top_domains_are_the_largest(hostile: SealedCorpus) -> None:
    """Of 31 hosts four are listed, by bytes of text, whatever order they were met in."""
    known = known_of(hostile.store, hostile.manifest)
    one = known["stranger"]
    one.host_bytes.clear()
    one.host_documents.clear()
    order = list(range(31))
    random.Random(5).shuffle(order)
    for number in order:
        one.host_bytes[f"h{number:02}.example"] = 1000 * (number // 2)  # two of each size: the name decides
        one.host_documents[f"h{number:02}.example"] = 1
    text = eu_summary(hostile, known, Asked(Answers())).decode()
    listed = [line.split("`")[1] for line in text.splitlines() if line.startswith("|") and ".example`" in line]
    assert listed == ["h30.example", "h28.example", "h29.example", "h26.example"]
    assert "lists the first 2)" in text
    assert "Latest date of data acquisition: 02/2021" in text


def test_languages_that_a_rule_found_come_before_those_stated(tiny: Tiny, tmp_path: Path) -> None:
    pytest.importorskip("py3langid")
    built = command(
        "build_corpus.py",
        *("--recipe", tiny.recipe, "--data", tiny.data, "--out", tmp_path / "s", "--workers", "1"),
        *(
            "--set",
            'text.language.keep=["en", "la", "it", "de", "fr", "es"]',
            "--set",
            "text.language.min_percent=0",
        ),
    )
    assert built.returncode == 0, built.stderr
    manifest = load_manifest(*read_ref(str(tmp_path / "s/refs/tiny/1.0.0")))
    known = known_of(str(tmp_path / "s"), manifest)
    for balance in manifest.sources:
        if balance.name in ("wikipedia", "pile-cc", "reddit"):  # `own` has a treatment of its own
            assert known[balance.name].found.total() == balance.kept
    assert known["own"].found.total() == 0
