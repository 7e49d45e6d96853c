"""Builds a sealed corpus again from what its manifest holds, with all changed that must not matter, and compares.

The recipe is the manifest's, the pins are its files' digests; the engine, the number of workers, the hash seed,
the locale, the time zone and the folder are others. What differs from the seal is named as `diff` names it.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from corpus import storage
from corpus.errors import IntegrityError, SourceError, StoreError
from corpus.part import blob_digest
from corpus.recipe import Recipe, load_recipe
from corpus.recipe_file import recipe_toml
from corpus.source import Blob, blob_url, encode_pins, find_blobs
from pipelines.auditing.difference import Difference, difference
from pipelines.auditing.side import Side, load_side

_BUILD = Path(__file__).resolve().parents[1] / "build_corpus.py"
_NAMED = 5  # of the files that differ, before the rest is only counted


@dataclass(frozen=True)
class Variation:
    """What a rebuild changes that must not matter.

    Attributes:
        runner: The engine; None for another one than the corpus was built with, where one is installed.
        workers: Processes; None for one more than then.
        hash_seed: PYTHONHASHSEED, which orders Python's sets.
        locale: LC_ALL.
        zone: TZ.
    """

    runner: str | None
    workers: int | None
    hash_seed: int
    locale: str
    zone: str

    def arguments(self, environment: Mapping[str, object]) -> list[str]:
        """The options of the build, other than those of the build that is told of."""
        runner = self.runner or _another_runner(str(environment.get("engine", "local")))
        built_with = environment.get("workers", 1)
        workers = self.workers or (built_with if isinstance(built_with, int) else 1) + 1
        return ["--runner", runner, "--workers", str(workers)]

    def variables(self) -> dict[str, str]:
        """What the build finds in its environment."""
        return {"PYTHONHASHSEED": str(self.hash_seed), "LC_ALL": self.locale, "TZ": self.zone}


def _another_runner(sealed_with: str) -> str:
    libraries = {"local": "msgspec", "dask": "distributed", "direct": "apache_beam"}
    there = [name for name, library in libraries.items() if importlib.util.find_spec(library)]
    return next((name for name in ("dask", "local", "direct") if name in there and name != sealed_with), "local")


@dataclass(frozen=True)
class Materials:
    """What a rebuild starts from, beside the sealed corpus itself.

    Attributes:
        data: The folder or URL of the raw files.
        vocabulary: Where OPT's vocabulary lies, if the corpus has its ids.
    """

    data: str
    vocabulary: str | None = None


@contextmanager
def rebuilt(
    ref: str, materials: Materials, variation: Variation, out: str | None = None, keep: bool = False
) -> Iterator[Difference]:
    """Builds a corpus again in a folder of its own, and gives what differs from the seal.

    Args:
        ref: For instance build/refs/sample/1.0.0.
        materials: The raw files.
        variation: What is to be other than it was.
        out: A new or empty folder, which is kept; None for a passing one.
        keep: Whether the passing one is kept too.

    Raises:
        SourceError: A raw file is missing, or is not the one the corpus was built from.
        StoreError: The folder holds something.
        IntegrityError: The recipe does not build again.
    """
    side = load_side(ref)
    check_files(side, materials.data)
    if out is not None and storage.list_files(out):
        raise StoreError("the folder is not empty", where=out, remedy="name a new one with --out")
    if out is not None or keep:
        folder = Path(out or tempfile.mkdtemp(prefix="rebuild-"))
        folder.mkdir(parents=True, exist_ok=True)
        yield difference(ref, _build(side, materials, variation, folder.resolve()))
        return
    with tempfile.TemporaryDirectory(prefix="rebuild-") as passing:
        yield difference(ref, _build(side, materials, variation, Path(passing).resolve()))


def check_files(side: Side, data: str) -> None:
    """Every input file is there, with the bytes it had; all that are not are named, before anything is built.

    Raises:
        SourceError: One is not; or one is there that the recipe's patterns find and the manifest does not know.
    """
    blobs = _blobs(side)
    there = {(blob.input, blob.path): blob.size for blob in find_blobs(side.manifest.recipe, data).blobs}
    known = {(blob.input, blob.path) for blob in blobs}
    wrong = [f"missing {blob.path}" for blob in blobs if (blob.input, blob.path) not in there]
    wrong += [f"new {path}" for name, path in sorted(there.keys() - known)]
    present = [blob for blob in blobs if (blob.input, blob.path) in there]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = list(pool.map(lambda blob: blob_digest(blob_url(data, blob))[0], present))
    wrong += [f"changed {b.path}" for b, digest in zip(present, digests, strict=True) if digest != b.sha256]
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise SourceError(
            f"{len(wrong)} of the raw files are not those the corpus was built from",
            where=f"{data}: {', '.join(wrong[:_NAMED])}{more}",
            remedy="restore them: from other bytes comes another corpus",
        )


def _blobs(side: Side) -> tuple[Blob, ...]:
    return tuple(Blob(blob.input, blob.path, blob.size, blob.sha256) for blob in side.manifest.blobs)


def _build(side: Side, materials: Materials, variation: Variation, folder: Path) -> str:
    """Writes recipe and pins into a folder, builds there, and gives the ref of what was built."""
    recipe = located(side, materials)
    path = folder / "recipe.toml"
    path.write_text(recipe_toml(recipe), encoding="utf-8")
    _prove(path, recipe)
    (folder / "recipe.pins.json").write_bytes(encode_pins(recipe, _blobs(side)))
    data = materials.data if "://" in materials.data else str(Path(materials.data).resolve())
    command = [sys.executable, str(_BUILD), "--recipe", str(path), "--data", data, "--out", str(folder / "store")]
    command += variation.arguments(side.environment)
    environment = {**os.environ, **variation.variables()}
    said = [*(f"{name}={value}" for name, value in variation.variables().items()), *command]
    print(f"rebuilding: {shlex.join(said)}", file=sys.stderr, flush=True)
    done = subprocess.run(command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise IntegrityError(
            f"the corpus does not build again: exit code {done.returncode}",
            where=side.ref,
            remedy="read what the build said, above",
        )
    return str(folder / "store" / "refs" / recipe.name / recipe.version)


def _prove(path: Path, recipe: Recipe) -> None:
    """The file that was written is read as the recipe that was meant."""
    if load_recipe(str(path)).digest() != recipe.digest():
        raise IntegrityError(
            "this release reads the sealed recipe as another one",
            where=str(path),
            remedy="rebuild with the release that sealed it: its commit stands in the attestation",
        )


def located(side: Side, materials: Materials) -> Recipe:
    """The sealed recipe, which names its vocabulary and lists of URLs, with the places where they lie.

    Raises:
        SourceError: They are not at hand.
    """
    recipe = side.manifest.recipe
    if recipe.tokens.vocabulary != "gpt2":
        if materials.vocabulary is None:
            raise SourceError(
                f"the corpus has the ids of vocabulary {recipe.tokens.vocabulary}",
                where=side.ref,
                remedy="name its file with --vocabulary",
            )
        place = materials.vocabulary
        place = place if "://" in place else str(Path(place).resolve())
        recipe = msgspec.structs.replace(recipe, tokens=msgspec.structs.replace(recipe.tokens, vocabulary=place))
    wanted = {found.sha256 for entry in recipe.input for found in entry.url_lists or ()}
    if not wanted:
        return recipe
    lists = _find_lists(wanted, materials.data, {blob.path for blob in side.manifest.blobs})
    inputs = [
        msgspec.structs.replace(
            entry,
            url_lists=tuple(msgspec.structs.replace(found, path=lists[found.sha256]) for found in entry.url_lists),
        )
        if entry.url_lists
        else entry
        for entry in recipe.input
    ]
    return msgspec.structs.replace(recipe, input=tuple(inputs))


def _find_lists(wanted: set[str], data: str, inputs: set[str]) -> dict[str, str]:
    """Where lists of URLs lie below the data folder, by their digests: a sealed recipe does not say."""
    found: dict[str, str] = {}
    for path in storage.list_files(data):
        if path not in inputs and wanted - found.keys():
            digest, _ = blob_digest(storage.join(data, path))
            if digest in wanted:
                found[digest] = path
    if missing := sorted(wanted - found.keys()):
        raise SourceError(
            "a list of URLs is not at hand",
            where=f"{data}: no file has sha256 {missing[0]}",
            remedy="put the list into this folder, under any name",
        )
    return found
