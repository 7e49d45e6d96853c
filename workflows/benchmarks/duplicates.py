"""Near-duplicates of a sealed corpus, held against brute force: what was found, what was missed, by Jaccard.

    python workflows/benchmarks/duplicates.py REF [--planted FILE] [--near FILE] [--brute 2000]

Reads the sealed store alone, and counts Jaccard anew in plain Python: sets of word n-grams, as the recipe says, of
the lower-cased normalised text split at white space; not a line is shared with what built the corpus. Measures

- every near-duplicate drop of the ledger again;
- the pairs planted in the generated sample (its planted.tsv), and pairs named by the sha1 of their text (--near);
- all pairs among some documents: those of planted pairs that differ, then those of the smallest ids.

Writes the section "duplicates" of RESULTS.md. Exits 1 when a document was dropped below the threshold, or for one
that is not kept, or fewer than 99% of the pairs of different texts at or above the threshold were found.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a script: the packages lie two folders up
    sys.path.insert(1, str(Path(__file__).resolve().parents[2]))

from results import machine, table, write_section

from corpus import storage
from corpus.drops import Drop
from corpus.manifest import Manifest, load_manifest, read_ref
from corpus.part import read_part
from corpus.provenance import Ledger
from pipelines.steps.blocks import Blocks

Pair = tuple[bytes, bytes]
BIN_STARTS = (0, 50, 60, 70, 80, 85, 90, 93, 95, 97, 99, 100)  # Jaccard, in hundredths
OUTCOMES = ("same text", "joined", "dropped", "kept")
RECALL_PERCENT = 99


@dataclass(frozen=True)
class Verdict:
    """A ledger row, as far as it speaks of duplicates."""

    drop: int
    winner: bytes
    via: bytes
    shared: int
    union: int


@dataclass(frozen=True)
class Corpus:
    """What a sealed store says of every document that no rule refused.

    Attributes:
        texts: Normalised texts by document id.
        places: (file, record) -> document id.
        edges: Pairs measured at or above the threshold, the smaller id first.
    """

    name: str
    ngram: int
    threshold: int
    policy: str
    texts: Mapping[bytes, bytes]
    places: Mapping[tuple[str, int], bytes]
    verdicts: Mapping[bytes, Verdict]
    edges: frozenset[Pair]

    def shingles(self, document: bytes) -> frozenset[bytes]:
        """The n-grams of a document, or all its words where they are fewer."""
        words = self.texts[document].lower().split()
        last = max(1, len(words) - self.ngram + 1)
        return frozenset(b" ".join(words[at : at + self.ngram]) for at in range(last))

    def outcome(self, a: bytes, b: bytes) -> str:
        """What became of a pair: same text, joined (measured as near), dropped (one, for a third), or kept."""
        ends = []
        for document in (a, b):
            verdict = self.verdicts[document]
            ends.append(verdict.winner if verdict.drop == Drop.EXACT_DUPLICATE else document)
        if ends[0] == ends[1]:
            return "same text"
        if _ordered(ends[0], ends[1]) in self.edges:
            return "joined"
        near = (self.verdicts[end].drop == Drop.NEAR_DUPLICATE for end in ends)
        return "dropped" if any(near) else "kept"


def read_corpus(ref: str) -> Corpus:
    """Reads a sealed corpus whole: meant for samples."""
    store, digest = read_ref(ref)
    manifest = load_manifest(store, digest)
    blocks = Blocks.sealed_in(store, manifest)
    texts: dict[bytes, bytes] = {}
    for block in range(len(blocks.rows)):
        ids = _ids(blocks.read_rows(block, ["doc_id"])["doc_id"])
        for rows, batch in blocks.read_text(block):
            texts |= zip((ids[row] for row in rows.tolist()), batch, strict=True)
    places: dict[tuple[str, int], bytes] = {}
    verdicts: dict[bytes, Verdict] = {}
    for _, columns in Ledger.sealed_in(store, manifest).read():
        ids = _ids(columns["doc_id"])
        files = [manifest.blobs[blob].path for blob in columns["blob"].tolist()]
        places |= zip(zip(files, columns["record"].tolist(), strict=True), ids, strict=True)
        fields = [columns["drop"].tolist(), _ids(columns["winner"]), _ids(columns["via"])]
        fields += [columns["inter"].tolist(), columns["union"].tolist()]
        verdicts |= {each: Verdict(*row) for each, row in zip(ids, zip(*fields, strict=True), strict=True)}
    edges: set[Pair] = set()
    for url in _urls(store, manifest, "evidence", "evidence.arrow"):
        for columns in read_part(url, ["a_doc_id", "b_doc_id"]):
            edges |= {
                _ordered(*pair) for pair in zip(*(_ids(columns[f"{side}_doc_id"]) for side in "ab"), strict=True)
            }
    rule = manifest.recipe.duplicates
    return Corpus(
        f"{manifest.name}@{manifest.version}", rule.ngram, rule.threshold_percent, rule.policy,
        texts, places, verdicts, frozenset(edges),
    )  # fmt: skip


def _urls(store: str, manifest: Manifest, stage: str, ending: str) -> list[str]:
    folder = manifest.stage_folder(store, stage)
    return [storage.join(folder, part.name) for part in manifest.stage(stage).parts if part.name.endswith(ending)]


def _ids(column: Any) -> list[bytes]:
    return [row.tobytes() for row in column]


def _ordered(a: bytes, b: bytes) -> Pair:
    return (a, b) if a <= b else (b, a)


def wrong_drops(corpus: Corpus) -> list[str]:
    """Every duplicate of the ledger measured again; what is not as it says."""
    found = []
    for document, verdict in corpus.verdicts.items():
        if verdict.drop == Drop.EXACT_DUPLICATE and corpus.texts[document] != corpus.texts[verdict.winner]:
            found.append(f"{document.hex()} is dropped as exact duplicate of another text")
        if verdict.drop != Drop.NEAR_DUPLICATE:
            continue
        shared, union = _jaccard(corpus.shingles(document), corpus.shingles(verdict.via))
        if (shared, union) != (verdict.shared, verdict.union):
            found.append(
                f"{document.hex()}: Jaccard {shared}/{union}, the ledger says {verdict.shared}/{verdict.union}"
            )
        if 100 * shared < corpus.threshold * union:
            found.append(f"{document.hex()} is dropped at Jaccard {shared}/{union}")
        if corpus.verdicts[verdict.winner].drop != Drop.KEPT:
            found.append(f"{document.hex()} is dropped for a document that is not kept")
        if corpus.policy == "direct" and verdict.via != verdict.winner:
            found.append(f"{document.hex()} is dropped for a document it was not measured against")
    return found


def _jaccard(a: frozenset[bytes], b: frozenset[bytes]) -> tuple[int, int]:
    return len(a & b), len(a | b)


def planted_pairs(corpus: Corpus, path: Path) -> list[Pair]:
    """The pairs of planted.tsv of which both records became documents."""
    pairs = []
    with path.open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["union"]:
                ends = [corpus.places.get((row[f"file_{side}"], int(row[f"record_{side}"]))) for side in "ab"]
                pairs += [(ends[0], ends[1])] if ends[0] in corpus.texts and ends[1] in corpus.texts else []
    return [(a, b) for a, b in pairs if a is not None and b is not None]


def named_pairs(corpus: Corpus, path: Path) -> list[Pair]:
    """The pairs of a table of sha1 of texts that stand in the corpus as they stood in the record."""
    named = defaultdict(list)
    for document, text in corpus.texts.items():
        named[hashlib.sha1(text).hexdigest()].append(document)
    pairs = []
    with path.open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            a, b = named[row["sha1_a"]], named[row["sha1_b"]]
            if row["sha1_a"] == row["sha1_b"]:
                pairs += [(a[0], other) for other in a[1:]]
            elif a and b:
                pairs.append((a[0], b[0]))
    return pairs


def all_pairs(corpus: Corpus, documents: Sequence[bytes]) -> dict[Pair, tuple[int, int]]:
    """The Jaccard of all pairs that share a shingle, by counting along the documents of each shingle."""
    holders: dict[bytes, list[int]] = defaultdict(list)
    sizes: list[int] = []
    found: dict[Pair, tuple[int, int]] = {}
    for number, document in enumerate(documents):
        shared: Counter[int] = Counter()
        shingles = corpus.shingles(document)
        for shingle in shingles:
            shared.update(holders[shingle])
            holders[shingle].append(number)
        sizes.append(len(shingles))
        for other, count in shared.items():
            union = sizes[number] + sizes[other] - count
            found[_ordered(document, documents[other])] = count, union
    return found


def measured(corpus: Corpus, pairs: Iterable[Pair]) -> dict[Pair, tuple[int, int]]:
    return {_ordered(a, b): _jaccard(corpus.shingles(a), corpus.shingles(b)) for a, b in pairs}


def by_jaccard(corpus: Corpus, pairs: Mapping[Pair, tuple[int, int]]) -> tuple[str, int, int]:
    """A table of what became of the pairs; then, of different texts at or above the threshold: pairs, found."""
    bins: dict[int, Counter[str]] = defaultdict(Counter)
    total: Counter[str] = Counter()
    for (a, b), (shared, union) in pairs.items():
        start = max(start for start in BIN_STARTS if 100 * shared >= start * union)
        outcome = corpus.outcome(a, b)
        bins[start][outcome] += 1
        if 100 * shared >= corpus.threshold * union:
            total[outcome] += 1
    rows = []
    for start, end in zip(BIN_STARTS, (*BIN_STARTS[1:], None), strict=True):
        counts = bins[start]
        label = "1" if end is None else f"{start / 100:.2f} to {end / 100:.2f}"
        if counts.total():
            rows.append([label, counts.total(), *(counts[outcome] for outcome in OUTCOMES)])
    heads = ["Jaccard", "pairs", "the same text", "joined", "one dropped for a third", "both kept"]
    found = total["joined"] + total["dropped"]
    return table(heads, rows), found + total["kept"], found


def main() -> int:
    options = _options()
    corpus = read_corpus(options.ref)
    wrong = wrong_drops(corpus)
    near = sum(verdict.drop == Drop.NEAR_DUPLICATE for verdict in corpus.verdicts.values())
    sets: dict[str, dict[Pair, tuple[int, int]]] = {}
    if options.planted:
        sets["Planted pairs"] = measured(corpus, planted_pairs(corpus, options.planted))
    if options.near:
        sets[f"Pairs named in {options.near.name}"] = measured(corpus, named_pairs(corpus, options.near))
    planted = sets.get("Planted pairs", {})
    first = dict.fromkeys(each for pair, (shared, union) in planted.items() if shared < union for each in pair)
    chosen = [*first, *(document for document in sorted(corpus.texts) if document not in first)][: options.brute]
    sets[f"All pairs among {len(chosen):,} documents"] = all_pairs(corpus, chosen)
    parts = [f"{near:,} near-duplicates dropped, each measured again: {len(wrong)} wrongly."]
    for name, pairs in sets.items():
        text, total, found = by_jaccard(corpus, pairs)
        rate = f"{100 * found / total:.2f}%" if total else "none there"
        parts += [
            f"{name}. Of different texts at .{corpus.threshold} and above, {found:,} of {total:,} found ({rate}).",
            text,
        ]
        if 100 * found < RECALL_PERCENT * total:
            wrong.append(f"{name}: {found} of {total} found")
        strays = sum(
            _ordered(a, b) in corpus.edges and 100 * shared < corpus.threshold * union
            for (a, b), (shared, union) in pairs.items()
        )
        wrong += [f"{name}: {strays} pairs below the threshold passed for near-duplicates"] if strays else []
    print("\n\n".join(parts))
    if not options.dry:
        write_section(
            f"duplicates of {corpus.name}", "\n\n".join([*_introduction(options, corpus), *parts, machine()])
        )
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def _introduction(options: argparse.Namespace, corpus: Corpus) -> list[str]:
    command = f"python workflows/benchmarks/duplicates.py build/refs/{corpus.name.replace('@', '/')}"
    command += " --planted data/sample/planted.tsv" if options.planted else ""
    command += f" --near {options.near.name}" if options.near else ""
    return [
        f"## Near-duplicates of {corpus.name}, against brute force",
        f"`{command}`: Jaccard of the normalised texts, counted anew in plain Python. *Joined*: measured by the "
        "build at or above the threshold. Below it, both are to be kept.",
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ref", help="a sealed corpus, for instance build/refs/sample/1.0.0")
    parser.add_argument("--planted", type=Path, help="the generated sample's planted.tsv")
    parser.add_argument("--near", type=Path, help="a table with columns sha1_a and sha1_b")
    parser.add_argument("--brute", type=int, default=2000, help="documents to compare all pairs of (%(default)s)")
    parser.add_argument("--dry", action="store_true", help="leave RESULTS.md as it is")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
