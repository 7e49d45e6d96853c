"""The stages that make documents: of each file by itself, or of records that meet in a thread or a story."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from corpus import reddit_chains, story_roots
from corpus.readers import reddit
from corpus.readers.formats import format_version
from corpus.recipe import DUMPS, Input, Recipe, Source
from corpus.source import Blob
from corpus.url import URL_VERSION
from corpus.url_list import URL_LIST_VERSION
from pipelines.build import Build
from pipelines.stage import Sealed, task_name
from pipelines.steps import documents, dumps, stories, threads


def read_all(build: Build, blobs: tuple[Blob, ...]) -> list[Sealed]:
    """The stages that hold the documents of every input."""
    return [*read_documents(build, blobs), *read_reddit(build, blobs), *read_hacker_news(build, blobs)]


def _reading_rules(recipe: Recipe, readers: Sequence[str]) -> dict[str, Any]:
    """What decides the records of some inputs: the inputs, where records belong, and the readers' versions."""
    entries = [entry for entry in recipe.input if entry.reader in readers]
    fed = _fed(recipe, readers)
    listing = {"url_lists": [URL_LIST_VERSION, URL_VERSION]} if any(entry.url_lists for entry in entries) else {}
    return {
        "inputs": [_asked(entry) for entry in entries],
        # What the rows say of a source is its number; what could not be read belongs to an input of its own.
        "numbers": {source.name: number for number, source in enumerate(recipe.source) if source in fed}
        | {f"{entry.name} (unreadable)": documents.unread_source(recipe, entry) for entry in entries},
        "on_damage": recipe.on_damage,
        "max_record_bytes": recipe.max_record_bytes,
        "readers": {entry.name: format_version(entry) for entry in entries},
    } | listing


def _treatment_rules(build: Build, readers: Sequence[str]) -> dict[str, Any]:
    """What decides their documents beside: how the texts of their sources are treated, and the rules' versions."""
    recipe = build.recipe
    texts = {source.name: source.text or recipe.text for source in _fed(recipe, readers)}
    said = build.describe(list(texts.values()))
    if "blocks" in said:  # a source's, for the ledger's rows number the blocks of theirs
        said["blocks"]["blocks"] = dict(zip(texts, said["blocks"]["blocks"], strict=True))
    return {"texts": {name: msgspec.to_builtins(text) for name, text in texts.items()}} | said


def _fed(recipe: Recipe, readers: Sequence[str]) -> list[Source]:
    """The sources that get records of these readers."""
    names = {name for entry in recipe.input if entry.reader in readers for name in entry.sources.values()}
    return [source for source in recipe.source if source.name in names]


def _asked(entry: Input) -> dict[str, Any]:
    """What an input asks of its reader.

    Not which of the documents stay: to ask for one per URL is not to read again. Nor the patterns, for the files
    that they found are named one by one.
    """
    asked: dict[str, Any] = msgspec.to_builtins(entry)
    return {name: value for name, value in asked.items() if name not in ("files", "once_per_url")}


def _numbered(blobs: Sequence[Blob], recipe: Recipe, readers: Sequence[str]) -> list[int]:
    chosen = {entry.name for entry in recipe.input if entry.reader in readers}
    return [number for number, blob in enumerate(blobs) if blob.input in chosen]


def identities(blobs: Sequence[Blob], numbers: Sequence[int]) -> list[str]:
    """The files as a stage's inputs name them: number, input, path and digest."""
    return [f"{number} {blobs[number].input}/{blobs[number].path} {blobs[number].sha256}" for number in numbers]


def input_files(kind: str, blobs: Sequence[Blob], groups: Sequence[Sequence[int]]) -> dict[str, str]:
    """The files of each task, for errors to name."""
    found = {}
    for task, group in enumerate(groups):
        others = f" and {len(group) - 1} more" if len(group) > 1 else ""
        found[task_name(kind, task)] = f"{blobs[group[0]].path}{others}"
    return found


def read_documents(build: Build, blobs: tuple[Blob, ...]) -> list[Sealed]:
    """Files whose records are documents by themselves become documents."""
    readers = [entry.reader for entry in build.recipe.input if entry.reader not in DUMPS]
    numbers = _numbered(blobs, build.recipe, readers)
    if not numbers:
        return []
    tasks = documents.group_blobs(blobs, numbers)
    return [
        build.stage(
            "documents",
            rules=_reading_rules(build.recipe, readers) | _treatment_rules(build, readers),
            inputs=identities(blobs, numbers),
            job=documents.DocumentsJob(build.data, build.recipe, blobs, tasks, build.url_lists),
            tasks=len(tasks),
            map=documents.documents_map,
            reads=input_files("map", blobs, tasks),
        )
    ]


def read_reddit(build: Build, blobs: tuple[Blob, ...]) -> list[Sealed]:
    """Reddit's comments become nodes, the longest chain of each thread is chosen, its bodies become a document."""
    numbers = _numbered(blobs, build.recipe, ["reddit"])
    if not numbers:
        return []
    job = dumps.Dumps(build.data, build.recipe, blobs, tuple(numbers), "reddit", threads.PARTITION_BYTES)
    rules = _reading_rules(build.recipe, ["reddit"]) | {"chains": reddit_chains.VERSION, "posts": reddit.VERSION}
    nodes = build.stage(
        "threads",
        rules=rules,
        inputs=identities(blobs, numbers),
        job=job,
        tasks=len(numbers),
        map=threads.threads_map,
        partitions=job.partitions,
        reduce=threads.threads_reduce,
        reads=input_files("map", blobs, [[number] for number in numbers]),
    )
    chosen = nodes.urls("chosen.arrow")
    bodies = build.stage(
        "bodies",
        rules=rules,
        inputs=[nodes.digest, *identities(blobs, numbers)],
        job=threads.PartsJob(job, tuple(chosen)),
        tasks=len(chosen),
        map=threads.bodies_map,
        partitions=len(numbers),
        reduce=threads.bodies_reduce,
        reads=input_files("reduce", blobs, [[number] for number in numbers]),
    )
    parts = bodies.urls("bodies.arrow")
    chains = build.stage(
        "chains",
        rules=rules | _treatment_rules(build, ["reddit"]),
        inputs=[nodes.digest, bodies.digest],
        job=threads.ChainsJob(job, tuple(parts), {int(url[-18:-13]): url for url in chosen}),
        tasks=len(parts),
        map=threads.chains_map,
        partitions=job.partitions,
        reduce=threads.chains_reduce,
    )
    return [nodes, chains]


def read_hacker_news(build: Build, blobs: tuple[Blob, ...]) -> list[Sealed]:
    """Hacker News's items find their stories, and the items of a story become a document."""
    numbers = _numbered(blobs, build.recipe, ["hacker-news"])
    if not numbers:
        return []
    job = dumps.Dumps(build.data, build.recipe, blobs, tuple(numbers), "hacker-news", stories.PARTITION_BYTES)
    rules = _reading_rules(build.recipe, ["hacker-news"]) | {"roots": story_roots.VERSION}
    items = build.stage(
        "items",
        rules=rules,
        inputs=identities(blobs, numbers),
        job=job,
        tasks=len(numbers),
        map=stories.items_map,
        reads=input_files("map", blobs, [[number] for number in numbers]),
    )
    links = items.facts("links.arrow")
    roots = build.stage(
        "roots",
        rules=rules,
        inputs=[items.digest],
        job=stories.RootsJob(job, tuple(items.urls("links.arrow")), sum(part.rows for part in links)),
        tasks=1,
        map=stories.roots_map,
    )
    made = build.stage(
        "stories",
        rules=rules | _treatment_rules(build, ["hacker-news"]),
        inputs=[roots.digest, *identities(blobs, numbers)],
        job=stories.StoriesJob(job, tuple(roots.urls("roots.arrow"))),
        tasks=len(numbers),
        map=stories.stories_map,
        partitions=job.partitions,
        reduce=stories.stories_reduce,
        reads=input_files("map", blobs, [[number] for number in numbers]),
    )
    return [items, made]
