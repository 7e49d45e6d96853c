"""What a corpus's papers leave open: unanswered questions, licences nobody asserts, what nobody held or signed.

The questions are those that the exports themselves asked while they were written, so that the list cannot differ
from what stands in them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping

from corpus.page import seen
from pipelines.crawled import Known, known_of
from pipelines.exports.formats import DESCRIBED
from pipelines.exports.questions import NEEDS_HUMAN, QUESTIONS, Answers, Asked
from pipelines.sealed_corpus import NOASSERTION, SealedCorpus
from pipelines.signing import signers
from pipelines.summary import table

Finding = tuple[str, str, str]
"""What is open: its kind, what it concerns, and in words."""


def lint(corpus: SealedCorpus, answers: Answers) -> list[Finding]:
    """Everything that is open, in a fixed order: the build, the sources, what is unknown, the questions."""
    known = known_of(corpus.store, corpus.manifest)
    return [*_build(corpus), *_sources(corpus), *_unknown(corpus, known), *_questions(corpus, known, answers)]


def describe(findings: list[Finding], subject: str) -> str:
    """The findings as a table, and how many of which kind."""
    if not findings:
        return f"nothing is open of {subject}"
    rows = [(kind, seen(concerns, 60), *_lines(words)) for kind, concerns, words in findings]
    wide = [
        line
        for kind, concerns, *words in rows
        for line in ([kind, concerns, words[0]], *(["", "", w] for w in words[1:]))
    ]
    kinds = dict.fromkeys(kind for kind, _, _ in findings)
    counts = ", ".join(f"{sum(found[0] == kind for found in findings)} {kind}" for kind in kinds)
    return f"{table(['open', 'of', 'what'], wide, left=3)}\n\nopen of {subject}: {counts}"


def _lines(words: str) -> list[str]:
    return textwrap.wrap(seen(words), 84) or [""]


def _build(corpus: SealedCorpus) -> Iterator[Finding]:
    code = corpus.run.get("code", {})
    if "commit" not in code:
        yield "unknown", "code", "the build ran outside a checkout: which code made this is not known"
    elif code["difference"] != "none":
        yield (
            "dirty",
            "code",
            f"the tree differed from commit {code['commit'][:12]}: sha256:{code['difference'][:12]}",
        )
    # Only a build without a lock hashes its inputs itself.
    if "pin" in {*corpus.run.get("cpu_seconds", {}), *corpus.run.get("reused", [])}:
        yield (
            "unpinned",
            "inputs",
            "they were taken as they lay, not held to a lock: build_corpus.py sources --pin",
        )
    for damage in corpus.manifest.damage:
        yield "damaged", damage.path, damage.what
    if not signers(corpus.store, corpus.manifest):
        yield "unsigned", "corpus", "nobody signed it: audit.py sign"


def _sources(corpus: SealedCorpus) -> Iterator[Finding]:
    for source in corpus.sources:
        said = source.said
        if said.licence == NOASSERTION:
            yield NOASSERTION, said.name, "its licence: say it in the recipe, source.licence"
        if blank := [key for key in ("title", "holder", "url", "status") if not getattr(said, key)]:
            yield "blank", said.name, f"its {', '.join(blank)}: say it in the recipe, source.{blank[0]}"


def _unknown(corpus: SealedCorpus, known: Mapping[str, Known]) -> Iterator[Finding]:
    for source in corpus.sources:
        one, kept = known[source.said.name], source.balance.kept
        missing = [
            what
            for what, count in (("domain", one.urls), ("date", one.dated), ("language", one.languages.total()))
            if count < kept
        ]
        if missing:
            yield "unknown", source.said.name, f"{', '.join(missing)} of all or some of its documents"


def _questions(corpus: SealedCorpus, known: Mapping[str, Known], answers: Answers) -> Iterator[Finding]:
    wanted: dict[str, list[str]] = {}
    for name, writer in DESCRIBED.items():
        asked = Asked(answers)
        writer(corpus, known, asked)
        for key in asked.open:
            wanted.setdefault(key, []).append(name)
    for key in QUESTIONS:
        if key in wanted:
            yield NEEDS_HUMAN, key, f"{QUESTIONS[key]} ({', '.join(wanted[key])})"
