"""The command line that says what a run saw, and when: from an update to tokens, from a document to updates.

    python training/seen.py runs/tiny --step 17
    python training/seen.py runs/tiny --document 4279ff30c268623c18475eb74dd1445e --document ...
    python training/seen.py runs/tiny --tokens wikipedia-00000:935..1016

It is computed from the run's config and its corpus; the digests in metrics.jsonl vouch for what is said of a step.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

if __package__ in (None, ""):  # started as a script: the packages lie one folder up
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from corpus.errors import RecipeError, SourceError, TokentrailError
from corpus.manifest import ShardEntry
from corpus.mapped_corpus import MappedCorpus
from corpus.provenance import Ledger, find_shard, read_placement
from corpus.shard import Shard
from corpus.window_order import WindowOrder
from training.attempts import read_attempts
from training.commit import list_folders
from training.metrics import StepRecord, read_metrics
from training.token_stream import TokenStream

_ID = re.compile(r"[0-9a-f]{32}")
_TOKENS = re.compile(r"(.+):(\d+)\.\.(\d+)")


@dataclass(frozen=True)
class Range:
    """Tokens of a shard, from `first` to before `end`."""

    shard: ShardEntry
    first: int
    end: int

    def __str__(self) -> str:
        """As audit.py takes and gives it."""
        return f"{self.shard.name}:{self.first}..{self.end}"


@dataclass(frozen=True)
class Sighting:
    """A window that a run trained on.

    Attributes:
        update: From 1 on, as metrics.jsonl has it.
        row: Of its batch.
        window: Its number within its source.
        epoch: How often its source had been drawn whole before.
    """

    update: int
    row: int
    window: int
    epoch: int


class Seen:
    """What a run saw of its corpus.

    Args:
        run_dir: Its folder.
        corpus: The ref, where that is not the one it was started with.

    Raises:
        TokentrailError: There is no run, or its corpus is not there.
    """

    def __init__(self, run_dir: str, corpus: str = "") -> None:
        attempts = read_attempts(run_dir)
        if not attempts:
            raise SourceError("there is no run here", where=run_dir, remedy="name the --run-dir of a run")
        last = attempts[-1]
        self.corpus = MappedCorpus.open(corpus or last.corpus)
        if self.corpus.digest != last.corpus_digest:
            raise RecipeError(
                f"the run was trained on another corpus, sha256:{last.corpus_digest}",
                where=self.corpus.ref,
                remedy="name that one with --corpus",
            )
        self.run_dir, self.config = run_dir, last.config
        self.records = {record.step: record for record in read_metrics(run_dir)}
        self.stream = TokenStream(self.corpus, "train", self.config.sequence)
        self.order = WindowOrder(self.stream.windows, self.config.seed, self.config.batch, self.config.segment)
        self.done = max(self.records, default=0)

    def step(self, step: int) -> tuple[StepRecord, list[tuple[str, int, int, list[Range]]]]:
        """The record of an update, and of each row its source, epoch, window and tokens.

        Raises:
            RecipeError: The run did no such update.
        """
        record = self.records.get(step)
        if record is None:
            raise RecipeError(
                f"the run has done no update {step:,}",
                where=self.run_dir,
                remedy=f"name one from 1 to {self.done:,}" if self.done else "train first",
            )
        ids = self.order.batch(record.data_step)
        rows = [
            (self.order.sources[source], epoch, window, self.tokens_of(self.order.sources[source], window))
            for source, epoch, window in zip(
                ids.source.tolist(), ids.epoch.tolist(), ids.window.tolist(), strict=True
            )
        ]
        return record, rows

    def vouched(self, record: StepRecord) -> bool:
        """Whether the batch that is computed here is the one that was trained on, by the digest taken then."""
        return self.order.batch(record.data_step).digest() == record.windows

    def tokens_of(self, source: str, window: int) -> list[Range]:
        """Where the tokens of a window lie: in one shard, or where it crosses into another, in two and more."""
        first, end = window * self.stream.width, (window + 1) * self.stream.width
        return [
            Range(shard, max(first, start) - start, min(end, start + shard.tokens) - start)
            for start, shard in self._shards(source)
            if first < start + shard.tokens and start < end
        ]

    def windows_of(self, tokens: Range) -> range:
        """The windows that hold some of these tokens; what lies in a source's tail is in none."""
        start = next(start for start, shard in self._shards(tokens.shard.source) if shard == tokens.shard)
        first, last = start + tokens.first, start + tokens.end - 1
        width, windows = self.stream.width, self.stream.windows[tokens.shard.source]
        return range(min(first // width, windows), min(last // width + 1, windows))

    def sightings(self, tokens: Range) -> list[Sighting]:
        """Every time that the run trained on a window with some of these tokens, in the order of updates."""
        drawn = self.order.drawn(self.order.data_step(self.done))[tokens.shard.source]
        epochs = -(-drawn // max(1, self.stream.windows[tokens.shard.source]))
        found = [
            Sighting(place.update + 1, place.row, window, epoch)
            for window in self.windows_of(tokens)
            for epoch in range(epochs)
            if (place := self.order.find(tokens.shard.source, epoch, window)) is not None
            and place.update is not None
            and place.update < self.done
        ]
        return sorted(found, key=lambda one: (one.update, one.row))

    def locate(self, doc_id: str) -> Range:
        """Where a kept document lies.

        Raises:
            RecipeError: This is no id.
            SourceError: The corpus has no such document to train on: it is unknown, dropped, or held out.
        """
        if not _ID.fullmatch(doc_id):
            raise RecipeError(
                f"{doc_id!r} is no id of a document", where="--document", remedy="give its 32 hex digits"
            )
        store, manifest = self.corpus.store, self.corpus.manifest
        ledger = Ledger.sealed_in(store, manifest)
        row = ledger.find(doc_id)
        for shard in manifest.shards if row is not None else ():
            at = np.flatnonzero(ledger.places(read_placement(manifest, store, shard.name)) == row)
            if len(at) and shard.split == "train":
                starts = Shard.open(self.corpus.stem(shard)).starts
                return Range(shard, int(starts[at[0]]), int(starts[at[0] + 1]))
        what = "knows no such document" if row is None else "has this document not among those to train on"
        raise SourceError(
            f"the corpus {what}", where=f"document {doc_id}", remedy="ask audit.py explain what became of it"
        )

    def _shards(self, source: str) -> Iterator[tuple[int, ShardEntry]]:
        """At which token of its source each shard to train on begins."""
        start = 0
        for shard in self.corpus.manifest.shards:
            if (shard.source, shard.split) == (source, "train"):
                yield start, shard
                start += shard.tokens


def of_step(seen: Seen, step: int) -> Iterator[str]:
    """What an update saw, line by line."""
    record, rows = seen.step(step)
    yield f"update     {step:,}, batch {record.data_step:,}, attempt {record.attempt}: {len(rows)} windows"
    for row, (_, epoch, window, ranges) in enumerate(rows):
        yield f"row {row:<6} {', '.join(map(str, ranges))}, window {window:,} in epoch {epoch}"
    says = "ok" if seen.vouched(record) else "NOT the windows that were trained on"
    yield f"vouched    metrics.jsonl has sha256:{record.windows[:16]} of these windows: {says}"


def of_tokens(seen: Seen, tokens: Range) -> Iterator[str]:
    """Which updates and checkpoints saw some tokens, line by line."""
    yield f"tokens     {tokens}, {tokens.end - tokens.first:,} of them, in {len(seen.windows_of(tokens))} windows"
    found = seen.sightings(tokens)
    for one in found:
        yield f"update     {one.update:,}, row {one.row}: window {one.window:,} in epoch {one.epoch}"
    if not found:
        yield f"update     none of {seen.done:,}"
        return
    first = found[0].update
    after = [folder.name for folder in reversed(list_folders(seen.run_dir)) if int(folder.name[:8]) >= first]
    yield f"checkpoint every one of update {first:,} and later; here: {', '.join(after) or 'none'}"


def options() -> argparse.ArgumentParser:
    """The options."""
    top = argparse.ArgumentParser(prog="seen.py", description="Says what a run saw of its corpus, and when.")
    top.add_argument("run_dir", help="the folder of a run, for instance runs/tiny")
    top.add_argument("--corpus", default="", help="its corpus, where that has moved")
    asked = top.add_mutually_exclusive_group(required=True)
    asked.add_argument("--step", type=int, help="an update, from 1 on: which tokens it saw")
    asked.add_argument(
        "--document", action="append", metavar="ID", help="which updates saw a document; may be repeated"
    )
    asked.add_argument("--tokens", metavar="SHARD:FIRST..END", help="which updates saw some of these tokens")
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit code: 0 done, 1 a check failed, 2 the user's mistake."""
    chosen = options().parse_args(argv)
    try:
        seen = Seen(chosen.run_dir, chosen.corpus)
        if chosen.step is not None:
            lines = list(of_step(seen, chosen.step))
            print(*lines, sep="\n")
            return 0 if seen.vouched(seen.records[chosen.step]) else 1
        ranges = [_range(seen, chosen.tokens)] if chosen.tokens else map(seen.locate, chosen.document)
        for tokens in ranges:
            print(*of_tokens(seen, tokens), sep="\n")
    except TokentrailError as error:
        if chosen.debug:
            raise
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _range(seen: Seen, said: str) -> Range:
    """What SHARD:FIRST..END names."""
    found = _TOKENS.fullmatch(said)
    shard = find_shard(seen.corpus.manifest, found[1]) if found else None
    if found is None or shard is None or not int(found[2]) < int(found[3]) <= shard.tokens:
        raise RecipeError(
            f"{said!r} names no tokens",
            where="--tokens",
            remedy="give a shard and two positions: books-00000:10..20",
        )
    return Range(shard, int(found[2]), int(found[3]))


if __name__ == "__main__":
    sys.exit(main())
