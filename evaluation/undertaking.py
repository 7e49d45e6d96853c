"""What a folder of results is of: written when it is begun, and held to whenever it is gone on with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from corpus import storage
from corpus.errors import IntegrityError, RunError, StoreError

FILE: Final = "evaluation.json"


def undertake(out: str, facts: Mapping[str, Any]) -> None:
    """Begins a folder, or sees that it was begun with the same facts.

    Args:
        out: The folder.
        facts: What decides a sample and does not show in it: name -> value.

    Raises:
        RunError: The folder holds samples that other facts decided.
        IntegrityError: What it says of itself cannot be read.
        StoreError: It cannot be written.
    """
    path = Path(out, FILE)
    body = msgspec.json.format(msgspec.json.encode(facts), indent=1) + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        begun = storage.publish(str(path), body)
    except OSError as error:
        raise StoreError(
            f"cannot write the results: {error.strerror}", where=str(path), remedy="name another folder with --out"
        ) from error
    if begun:
        return
    try:
        before = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IntegrityError(
            f"this cannot be read: {error}",
            where=str(path),
            remedy="restore it, or name another folder with --out",
        ) from error
    now = msgspec.json.decode(body, type=dict[str, Any])
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            raise RunError(
                f"this folder holds samples of another evaluation: {name} was {before.get(name)}, "
                f"and is {now.get(name)}",
                where=out,
                remedy="name another folder with --out",
            )
