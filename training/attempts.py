"""The folder of a run: `attempts/0001.json`, one for each start, and beside them `metrics.jsonl`.

An attempt says with what a run was started: config, corpus, versions. Nothing that decides a value is read from
it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from corpus import storage
from corpus.errors import IntegrityError, RecipeError
from training.config import RunConfig


class Attempt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One start of a run.

    Attributes:
        number: From 1 on.
        config: Every key, defaults included.
        config_digest: sha256 of its canonical form.
        corpus: The ref it was started with.
        corpus_digest: What the ref stood for.
        host: What is true of the machine and not of the training: versions, device, threads, time.
    """

    number: int
    config: RunConfig
    config_digest: str
    corpus: str
    corpus_digest: str
    host: dict[str, Any]


def read_attempts(run_dir: str) -> list[Attempt]:
    """All attempts so far, in order.

    Raises:
        IntegrityError: One cannot be read.
    """
    found = []
    for path in sorted(Path(run_dir, "attempts").glob("[0-9]*.json")):
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=Attempt))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise IntegrityError(
                f"this is no attempt at a run: {error}",
                where=str(path),
                remedy="restore it, or use another --run-dir",
            ) from error
    return found


def begin_attempt(run_dir: str, config: RunConfig, corpus: tuple[str, str], host: dict[str, Any]) -> int:
    """Notes a new start of a run; gives its number.

    Args:
        corpus: Ref and digest.

    Raises:
        RecipeError: The folder holds a run on another corpus.
        StoreError: The folder cannot be written.
    """
    ref, digest = corpus
    while True:
        attempts = read_attempts(run_dir)
        if attempts and attempts[-1].corpus_digest != digest:
            raise RecipeError(
                f"this folder holds a run on another corpus, sha256:{attempts[-1].corpus_digest}",
                where=run_dir,
                remedy="name another --run-dir, or the corpus that the run began with",
            )
        number = len(attempts) + 1
        attempt = Attempt(
            number=number,
            config=config,
            config_digest=config.digest(),
            corpus=ref,
            corpus_digest=digest,
            host=host,
        )
        body = msgspec.json.format(msgspec.json.encode(attempt), indent=1)
        if storage.publish(str(Path(run_dir, "attempts", f"{number:04d}.json")), body):
            return number
