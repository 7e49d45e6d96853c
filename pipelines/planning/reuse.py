"""Why a stage is not found sealed: what of recipe, rules or files differs from the nearest seal there is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import rfc8785

from corpus import storage
from pipelines.stage import Sealed, Stage, done_tasks, load_sealed

_SHOWN = 3  # differences that a line names; who wants all of them can compare two stage.json
_ABSENT = "nothing"


def why_not_sealed(stage: Stage) -> str:
    """The reason in words that a stage whose key is known has to run."""
    folder = storage.join(stage.store, "stages", stage.name)
    keys = sorted({name.split("/")[0] for name in storage.list_files(folder)})
    seals = {key: seal for key in keys if (seal := load_sealed(storage.join(folder, key))) is not None}
    if stage.key in seals:
        there = storage.list_sizes(storage.join(stage.folder, "parts"))
        lost = next(part.name for part in seals[stage.key].parts if there.get(part.name) != part.bytes)
        return f"its seal is there and its part {lost} is not whole"
    if stage.key in keys:
        done = len(done_tasks(stage))
        return f"begun and not sealed: {done:,} of {stage.tasks + stage.partitions:,} tasks are done"
    if not seals:
        return "no seal in this store"
    nearest = min((_differences(seal, stage) for seal in seals.values()), key=len)
    more = f", and {len(nearest) - _SHOWN} more" if len(nearest) > _SHOWN else ""
    return "; ".join(nearest[:_SHOWN]) + more


def _differences(seal: Sealed, stage: Stage) -> list[str]:
    """What decides the result and is not as it was when this seal was made, one phrase each."""
    was = dict(_leaves(seal.rules))
    now = dict(_leaves(json.loads(rfc8785.dumps(dict(stage.rules)))))
    names = [name for name in {**was, **now} if was.get(name, _ABSENT) != now.get(name, _ABSENT)]
    found = [f"{name} was {was.get(name, _ABSENT)}, is {now.get(name, _ABSENT)}" for name in names]
    return found + _other_inputs(seal.inputs, stage.inputs) or ["it is cut into other tasks"]


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every value of a tree by its dotted path; an element of a list by its name where it has one."""
    if isinstance(value, Mapping):
        for key in sorted(value):
            yield from _leaves(value[key], f"{path}.{key}" if path else key)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, element in enumerate(value):
            name = element.get("name", index) if isinstance(element, Mapping) else index
            yield from _leaves(element, f"{path}.{name}")
    else:
        yield path, json.dumps(value)


def _other_inputs(was: Sequence[str], now: Sequence[str]) -> list[str]:
    before, after = ({_file_of(identity): identity for identity in inputs} for inputs in (was, now))
    found = []
    for file in {**before, **after}:
        if before.get(file) != after.get(file):
            change = "changed" if file in before and file in after else "new" if file in after else "gone"
            found.append(f"file {change}: {file}" if file else "what it reads of other stages changed")
    return found


def _file_of(identity: str) -> str:
    """The file an input names, `3 pile/a.zst <sha256>`, of pins `pile/a.zst <size> <stamp>`; "" for a stage."""
    if " " not in identity:
        return ""
    number, _, rest = identity.partition(" ")
    return rest.rpartition(" ")[0] if number.isdigit() else identity.rsplit(" ", 2)[0]
