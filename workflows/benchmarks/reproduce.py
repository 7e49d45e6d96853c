"""One corpus, built again and again with everything changed that must not matter: is it the same, to the byte?

    python workflows/benchmarks/reproduce.py --recipe workflows/recipes/opt.toml --data DIR

Each build runs in a store of its own: other workers, encoder, hash seed, time zone, locale, folder; the system
listing folders backwards; a build killed in mid stage and started again. Every digest must be that of the first.
Writes the section "reproduce <recipe>" of RESULTS.md with the balance of every source: raw bytes are markup, what
was trimmed, what was dropped, and text, to the byte. Exits 1 where a digest differs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from results import machine, table, write_section

from corpus.ledger import SourceBalance, check_source
from corpus.manifest import Manifest, load_manifest

ROOT = Path(__file__).resolve().parents[2]

# Python runs this when it starts: every listing of a folder comes out in reverse, for us and our libraries alike.
REVERSED = """
import os
_scandir, _listdir = os.scandir, os.listdir
class _Reversed:
    def __init__(self, entries): self._entries = entries
    def __iter__(self): return iter(sorted(self._entries, key=lambda entry: entry.name, reverse=True))
    def __enter__(self): return iter(self)
    def __exit__(self, *_): self._entries.close()
    def close(self): self._entries.close()
os.scandir = lambda *path: _Reversed(_scandir(*path))
os.listdir = lambda *path: sorted(_listdir(*path), reverse=True)
"""
VARIATIONS: tuple[tuple[str, tuple[str, ...], dict[str, str]], ...] = (
    ("as it is", ("--workers", "2"), {}),
    ("one worker", ("--workers", "1"), {}),
    ("three workers, hash seed 1", ("--workers", "3"), {"PYTHONHASHSEED": "1"}),
    ("hash seed 4242, Kathmandu", ("--workers", "2"), {"PYTHONHASHSEED": "4242", "TZ": "Asia/Kathmandu"}),
    ("Turkish locale, Caracas", ("--workers", "2"), {"LC_ALL": "tr_TR.UTF-8", "TZ": "America/Caracas"}),
    (
        "C locale, no UTF-8 mode",
        ("--workers", "2"),
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ),
    ("the encoder that defines the ids", ("--workers", "2", "--encoder", "tokenizers"), {}),
)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--recipe", default="workflows/recipes/sample.toml")
    options.add_argument("--data", type=Path, default=ROOT / "data" / "sample")
    chosen, more = options.parse_known_args()  # what is not ours is the build's: --without, --set
    command = [sys.executable, str(ROOT / "pipelines/build_corpus.py"), "--recipe", chosen.recipe, *more]
    rows = []
    with tempfile.TemporaryDirectory(prefix="reproduce-") as folder:
        work = Path(folder)
        for number, (name, arguments, env) in enumerate(VARIATIONS):
            line = [*command, "--data", str(chosen.data), "--out", str(work / f"store {number}"), *arguments]
            rows.append((name, _build(line, env)))
        moved = work / "another" / "folder"
        shutil.copytree(chosen.data, moved)
        rows.append(
            ("raw files moved", _build([*command, "--data", str(moved), "--out", str(work / "moved")], {}))
        )
        rows.append(("folders listed backwards", _listed_backwards(command, chosen.data, work)))
        for stage in ("documents", "signatures", "encode", "shards"):
            rows.append((f"killed in `{stage}`, started again", _killed(command, chosen.data, work, stage)))
        manifest = load_manifest(str(work / "store 0"), rows[0][1])
    first = rows[0][1]
    said = [[name, f"`{digest[:16]}`", "same" if digest == first else "DIFFERENT"] for name, digest in rows]
    held = all(digest == first for _, digest in rows)
    text = f"""## Reproduction of {manifest.name}

`python workflows/benchmarks/reproduce.py --recipe {chosen.recipe} --data DIR`
on {machine()}.
{len(rows)} builds of one recipe and the same bytes, {"one digest" if held else "NOT one digest"}:
`sha256:{first}`.

{table(["what was changed", "manifest", ""], said)}

What every record of its sources became, in documents and bytes: raw = markup + trimmed + dropped + text.

{balance(manifest)}
"""
    print(text)
    write_section(f"reproduce {manifest.name}", text)
    return 0 if held else 1


def balance(manifest: Manifest) -> str:
    """The law of conservation as a table, proved again for every source."""
    tokens: Counter[str] = Counter()
    for shard in manifest.shards:
        tokens[shard.source] += shard.tokens
    heads = ["source", "documents", "dropped", "kept", "raw", "markup", "trimmed", "dropped", "text", "tokens"]
    rows = []
    for source in manifest.sources:
        check_source(source)
        rows.append([source.name, *(f"{value:,}" for value in (*_of(source), tokens[source.name]))])
    return table(heads, rows)


def _of(source: SourceBalance) -> tuple[int, ...]:
    dropped = source.dropped.values()
    return (
        source.documents,
        sum(drop.documents for drop in dropped),
        source.kept,
        source.raw_bytes,
        source.markup_bytes,
        source.trimmed_bytes,
        sum(drop.bytes for drop in dropped),
        source.text_bytes,
    )


def _build(line: list[str], env: dict[str, str]) -> str:
    """The digest of a build that ran to its end."""
    done = subprocess.run(line, env={**os.environ, **env}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout.strip().rpartition("sha256:")[2]


def _listed_backwards(command: list[str], data: Path, work: Path) -> str:
    hook = work / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(REVERSED)
    path = os.pathsep.join([str(hook), os.environ.get("PYTHONPATH", "")])
    return _build([*command, "--data", str(data), "--out", str(work / "backwards")], {"PYTHONPATH": path})


def _killed(command: list[str], data: Path, work: Path, stage: str) -> str:
    """SIGKILL to the parent as soon as a stage has begun, then the same command again."""
    store = work / f"killed-{stage}"
    line = [*command, "--data", str(data), "--out", str(store), "--workers", "2"]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(store.glob(f"stages/{stage}/*/*")) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return _build(line, {})


if __name__ == "__main__":
    sys.exit(main())
