"""What an auditor waits for: the address of a token and of a document, a verification; and what provenance weighs.

    python workflows/benchmarks/audits.py [--documents 1000000] [REF ...]

Builds a corpus of so many short documents, then asks it and every corpus named. An address is what `trace` and
`explain` begin with: file, record and offset. Warm is the median of many in one process, cold the command as a
whole process. Verifications stand beside the sha256 of the same files in the same run. Bytes per document are
those of ledger and placements on disk, by what they are for. Writes the section "audits" of RESULTS.md.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import zstandard
from measure import measure
from results import machine, table, write_section

from corpus import storage
from corpus.attestation import load_index
from corpus.manifest import Manifest, load_manifest, read_ref
from corpus.part import blob_digest
from corpus.provenance import Ledger, locate
from pipelines.auditing.verifying import verify

ROOT = Path(__file__).resolve().parents[2]
AUDIT = str(ROOT / "pipelines" / "audit.py")
RECIPE = """\
name = "many"
version = "1.0.0"

[[input]]
name = "many"
reader = "jsonl"
files = ["*.jsonl.zst"]
sources = { "*" = "many" }

[[source]]
name = "many"
title = "Many short documents"

[text.filters]
min_words = 1
"""
FILE_DOCUMENTS = 250_000
ASKED = 200
ASKS = ("corpus", "documents", "token, warm", "token, cold", "id, warm", "record, warm", "id, cold")
VERIFIED = ("corpus", "MB", "sha256", "verify", "clock", "processor", "verify --deep", "clock", "processor")
COLUMNS = {
    "provenance": ("doc_id", "source", "blob", "record", "offset", "raw_bytes", "ledger", "row"),
    "sizes and verdict": ("extracted_bytes", "text_bytes", "drop"),
    "lost to whom": ("winner", "via", "inter", "union"),
}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("refs", nargs="*", metavar="REF")
    options.add_argument("--documents", type=int, default=1_000_000)
    options.add_argument("--work", metavar="DIR", help="where to build (default: the system's temporary folder)")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="audits-", dir=chosen.work) as folder:
        refs = [build(Path(folder), chosen.documents), *chosen.refs]
        text = f"""## Audits

`python workflows/benchmarks/audits.py --documents {chosen.documents} ...` on {machine()}.

An address, in milliseconds; warm the median (and the worst) of {ASKED} in one process, cold the whole command:

{table(ASKS, map(ask, refs))}

A verification, in seconds beside the sha256 of the same bytes by one thread, and its share of that speed, by the
clock and by the processor:

{table(VERIFIED, map(verification, refs))}

Bytes per document of ledger and placements, on disk:

{table(["corpus", *COLUMNS, "rules' values", "all"], map(weight, refs))}
"""
    print(text)
    write_section("audits", text)
    return 0


def build(folder: Path, documents: int) -> str:
    """A corpus of short documents of random words, all different."""
    draws, words = random.Random(5), [f"w{number}" for number in range(20_000)]
    (folder / "raw").mkdir()
    for first in range(0, documents, FILE_DOCUMENTS):
        path = folder / "raw" / f"{first // FILE_DOCUMENTS:05d}.jsonl.zst"
        with zstandard.open(path, "wb") as file:
            for _ in range(first, min(documents, first + FILE_DOCUMENTS)):
                file.write(b'{"text": "%s"}\n' % " ".join(draws.choices(words, k=14)).encode())
    (folder / "many.toml").write_text(RECIPE)
    line = ["pipelines/build_corpus.py", "--recipe", folder / "many.toml", "--data", folder / "raw"]
    subprocess.run([sys.executable, *line, "--out", folder / "store"], cwd=ROOT, check=True, capture_output=True)
    return str(folder / "store" / "refs" / "many" / "1.0.0")


def ask(ref: str) -> list[str]:
    """How long addresses take."""
    store, digest = read_ref(ref)
    manifest = load_manifest(store, digest)
    ledger, draws = Ledger.sealed_in(store, manifest), random.Random(1)
    shards = [draws.choice([shard for shard in manifest.shards if shard.tokens]) for _ in range(ASKED)]
    tokens = [(shard, draws.randrange(shard.tokens)) for shard in shards]
    placed = [locate(manifest, store, *token) for token in tokens]
    cold = f"{tokens[0][0].name}:{tokens[0][1]}"
    rows = [
        each(lambda number: locate(manifest, store, *tokens[number])),
        command("trace", ref, cold),
        each(lambda number: address(ledger, ledger.find(placed[number].doc_id))),
        each(lambda number: address(ledger, ledger.find_record(placed[number].blob, placed[number].record))),
        command("explain", ref, placed[0].doc_id),
    ]
    return [name(manifest), f"{ledger.rows:,}", *rows]


def address(ledger: Ledger, place: int | None) -> None:
    """Reads what a row says of where its document is from."""
    assert place is not None
    ledger.row(*ledger.address(place), ["blob", "record", "offset", "raw_bytes"])


def each(question: Callable[[int], object]) -> str:
    """The median and the worst of many, in milliseconds; the first is not counted."""
    question(0)
    took = []
    for number in range(ASKED):
        start = time.perf_counter()
        question(number)
        took.append(1000 * (time.perf_counter() - start))
    return f"{statistics.median(took):.1f} ({max(took):.0f})"


def command(*line: str) -> str:
    """The wall milliseconds of a command of the auditor's, the best of three."""
    whole = [measure([sys.executable, AUDIT, *line]).wall_seconds for _ in range(3)]
    return f"{1000 * min(whole):.0f}"


def verification(ref: str) -> list[str]:
    """What it takes to verify a corpus, and to hash it; start-up apart, which "cold" above shows."""
    store, digest = read_ref(ref)
    paths = [storage.join(store, file.path) for file in load_index(store, digest).files]
    size = sum(Path(path).stat().st_size for path in paths) / 1e6
    hashed = least(lambda: [blob_digest(path) for path in paths])
    quick, deep = (least(lambda deep=deep: verify(ref, lambda line: None, deep=deep)) for deep in (False, True))
    cells = [f"{size:,.0f}", f"{hashed[0]:.2f}"]
    for wall, processor in (quick, deep):
        cells += [f"{wall:.2f}", f"{hashed[0] / wall:.0%}", f"{hashed[1] / processor:.0%}"]
    return [name(load_manifest(store, digest)), *cells]


def least(work: Callable[[], object]) -> tuple[float, float]:
    """The wall and the CPU seconds of the quickest of three."""
    took = []
    for _ in range(3):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        took.append((time.perf_counter() - wall, time.process_time() - processor))
    return min(took)


def weight(ref: str) -> list[str]:
    """Bytes per document of the ledger's columns and the placements', as they lie on disk."""
    store, digest = read_ref(ref)
    manifest = load_manifest(store, digest)
    sizes: Counter[str] = Counter()
    for stage in ("verdicts", "shards"):
        for part in manifest.stage(stage).parts:
            if part.name.endswith(".parquet"):
                sizes += _columns(storage.join(manifest.stage_folder(store, stage), part.name))
    documents = max(1, sum(source.documents for source in manifest.sources))
    shares = [sum(sizes[column] for column in columns) / documents for columns in COLUMNS.values()]
    whole = sizes.total() / documents
    return [name(manifest), *(f"{share:.1f}" for share in (*shares, whole - sum(shares), whole))]


def _columns(path: str) -> Counter[str]:
    """Compressed bytes of each column of a table; what the file has beside them is shared out under "file"."""
    metadata, sizes = pq.read_metadata(path), Counter[str]()
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            sizes[column.path_in_schema] += column.total_compressed_size
    sizes["file"] = Path(path).stat().st_size - sizes.total()
    return sizes


def name(manifest: Manifest) -> str:
    """As a table calls a corpus."""
    return f"{manifest.name}@{manifest.version}"


if __name__ == "__main__":
    sys.exit(main())
