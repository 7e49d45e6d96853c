"""Faults as a forger plants them: what was changed gets new digests, as far up as a forger could write them.

A forger who has the store may write its index, statement and history anew; who has only the corpus's own files
leaves the history as it is. Who writes everything anew and breaks no law, the time of the last seal for instance
or a source's licence, is found by a signature alone (`audit.py sign`).

Each fault names the words that a verification must say of it, and the file.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import rfc8785


class Forger:
    """Writes over a store and can take it all back.

    Args:
        store: A sealed store.
        ref: The ref's file within it.
    """

    def __init__(self, store: Path, ref: Path) -> None:
        self.store, self.ref = store, ref
        self._before: dict[Path, bytes | None] = {}

    @property
    def digest(self) -> str:
        return self.ref.read_text().strip().removeprefix("sha256:")

    def manifest(self) -> dict:
        return json.loads((self.store / "manifests" / f"{self.digest}.json").read_bytes())

    def stage(self, name: str) -> Path:
        (entry,) = [stage for stage in self.manifest()["stages"] if stage["name"] == name]
        return self.store / "stages" / name / entry["key"] / "parts"

    def write(self, path: Path, data: bytes | None) -> None:
        self._before.setdefault(path, path.read_bytes() if path.exists() else None)
        if data is None:
            path.unlink()
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def restore(self) -> None:
        for path, data in self._before.items():
            path.unlink(missing_ok=True)
            if data is not None:
                path.write_bytes(data)
        self._before = {}

    def redigest(self, history: bool = True) -> None:
        """Index, statement and history say of every file what it is now."""
        old, new = self.digest, self.digest
        folder = self.store / "attestations" / new
        index = json.loads((folder / "integrity.json").read_bytes())
        for file in index["files"]:
            data = (self.store / file["path"]).read_bytes()
            file |= {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        self._attest(old, index, history)

    def replace_manifest(self, manifest: dict, history: bool) -> None:
        """A manifest of other content under its own digest, the ref and all that vouches for it rewritten."""
        old, data = self.digest, rfc8785.dumps(manifest)
        new = hashlib.sha256(data).hexdigest()
        index = json.loads((self.store / "attestations" / old / "integrity.json").read_bytes())
        for file in index["files"]:
            if file["path"] == f"manifests/{old}.json":
                file |= {"path": f"manifests/{new}.json", "sha256": new, "size": len(data)}
        self.write(self.store / "manifests" / f"{new}.json", data)
        self.write(self.ref, f"sha256:{new}\n".encode())
        self._attest(old, index, history)

    def _attest(self, old: str, index: dict, history: bool) -> None:
        statement = json.loads((self.store / "attestations" / old / "statement.json").read_bytes())
        folder = self.store / "attestations" / self.digest
        data = rfc8785.dumps(index)
        statement["subject"][0]["digest"]["sha256"] = self.digest
        vouched = statement["predicate"]["runDetails"]["byproducts"][0]["digest"]
        vouched["sha256"] = hashlib.sha256(data).hexdigest()
        self.write(folder / "integrity.json", data)
        self.write(folder / "statement.json", rfc8785.dumps(statement))
        if history:
            said = hashlib.sha256(rfc8785.dumps(statement)).hexdigest()
            self.rewrite_history(lambda entry: self._renamed(entry, old, said))

    def _renamed(self, entry: dict, old: str, statement: str) -> dict:
        return entry | {"manifest": self.digest, "statement": statement} if entry["manifest"] == old else entry

    def rewrite_history(self, change: Callable[[dict], dict]) -> None:
        """Every entry changed and chained anew, so that each follows the one before."""
        previous = ""
        for path in sorted((self.store / "history").glob("*.json")):
            entry = change(json.loads(path.read_bytes())) | {"previous": previous, "sha256": ""}
            previous = hashlib.sha256(rfc8785.dumps(entry)).hexdigest()
            self.write(path, rfc8785.dumps(entry | {"sha256": previous}))


@dataclass(frozen=True)
class Forgery:
    """One planted fault: what a verification must say of it, and of which file; "" of none in particular."""

    words: str
    where: str


def flipped_shard(forger: Forger, draw: random.Random) -> Forgery:
    path = draw.choice([p for p in sorted(forger.stage("shards").glob("*.bin")) if p.stat().st_size])
    data = bytearray(path.read_bytes())
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    forger.write(path, bytes(data))
    forger.redigest()
    return Forgery("sha256", path.name)


def swapped_shards(forger: Forger, draw: random.Random) -> Forgery:
    one, other = draw.sample([p for p in sorted(forger.stage("shards").glob("*.bin")) if p.stat().st_size], 2)
    for suffix in (".bin", ".idx"):
        mine, theirs = one.with_suffix(suffix).read_bytes(), other.with_suffix(suffix).read_bytes()
        forger.write(one.with_suffix(suffix), theirs)
        forger.write(other.with_suffix(suffix), mine)
    forger.redigest()
    return Forgery("sha256|tokens|documents|bytes", f"{one.stem}|{other.stem}")


def edited_text(forger: Forger, draw: random.Random) -> Forgery:
    """One letter of one document, in the table that texts are read from."""
    path = draw.choice(sorted(forger.stage("documents").glob("*.text.arrow")))
    table = pa.ipc.open_file(path).read_all()
    texts = table["text"].to_pylist()
    row = draw.choice([row for row, text in enumerate(texts) if text])
    texts[row] = texts[row][:-1] + (b"!" if texts[row][-1:] != b"!" else b"?")
    column = pa.array(texts, table.schema.field("text").type)
    table = table.set_column(table.schema.get_field_index("text"), table.schema.field("text"), column)
    out = io.BytesIO()
    with pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    forger.write(path, out.getvalue())
    forger.redigest()
    return Forgery("rows of a part are not those", path.name)


def dropped_row(forger: Forger, draw: random.Random) -> Forgery:
    return _ledger(forger, draw, lambda table, row: pa.concat_tables([table[:row], table[row + 1 :]]))


def doubled_row(forger: Forger, draw: random.Random) -> Forgery:
    return _ledger(forger, draw, lambda table, row: pa.concat_tables([table[: row + 1], table[row:]]))


def _ledger(forger: Forger, draw: random.Random, change: Callable[[pa.Table, int], pa.Table]) -> Forgery:
    paths = [p for p in sorted(forger.stage("verdicts").glob("*ledger.parquet")) if pq.read_metadata(p).num_rows]
    path = draw.choice(paths)
    table = pq.read_table(path)
    out = io.BytesIO()
    pq.write_table(change(table, draw.randrange(len(table))), out)
    forger.write(path, out.getvalue())
    forger.redigest()
    return Forgery("ledger's rows do not add up|conservation does not hold", "source|ledger")


def changed_seed(forger: Forger, draw: random.Random) -> Forgery:
    """The manifest claims another seed; all is digested anew but the history, which others hold copies of."""
    manifest = forger.manifest()
    manifest["recipe"]["seed"] += 1 + draw.randrange(1000)
    forger.replace_manifest(manifest, history=False)
    return Forgery("history does not say", "")


def changed_recipe(forger: Forger, draw: random.Random) -> Forgery:
    """The recipe claims another value than the one that was computed with; everything, history too, is new."""
    manifest = forger.manifest()
    recipe = manifest["recipe"]
    tree, key = draw.choice(
        [
            (recipe, "seed"),
            (recipe, "max_record_bytes"),
            (recipe["text"]["filters"], "min_words"),
            (recipe["duplicates"], "threshold_percent"),
            (recipe["validation"], "bytes"),
            (recipe["tokens"], "shard_bytes"),
        ]
    )
    tree[key] -= 1
    forger.replace_manifest(manifest, history=True)
    return Forgery(f"by the recipe .*{key} is", "stage")


def changed_rules(forger: Forger, draw: random.Random) -> Forgery:
    """The same of the seed, and of the rules that stages were sealed with; their keys stay."""
    manifest = forger.manifest()
    seed = manifest["recipe"]["seed"] + 1 + draw.randrange(1000)
    manifest["recipe"]["seed"] = seed
    for stage in ("split", "layout", "shards"):
        (entry,) = [entry for entry in manifest["stages"] if entry["name"] == stage]
        entry["rules"]["seed"] = seed
        path = forger.stage(stage).parent / "stage.json"
        forger.write(path, rfc8785.dumps(json.loads(path.read_bytes()) | {"rules": entry["rules"]}))
    forger.redigest()
    forger.replace_manifest(manifest, history=True)
    return Forgery("key is not that of its rules", "stage split")


def changed_file(forger: Forger, draw: random.Random) -> Forgery:
    """The manifest claims that an input file had other bytes; everything, history too, is digested anew."""
    manifest = forger.manifest()
    blob = draw.choice(manifest["blobs"])
    blob["sha256"] = hashlib.sha256(blob["sha256"].encode()).hexdigest()
    forger.replace_manifest(manifest, history=True)
    return Forgery("key is not that of its rules, inputs", "stage")


def stale_ref(forger: Forger, draw: random.Random) -> Forgery:
    """The ref names a sound manifest of another version."""
    manifest = forger.manifest() | {"version": f"0.{draw.randrange(100)}.0"}
    forger.replace_manifest(manifest, history=False)
    return Forgery("ref names another corpus", "")


def rewritten_history(forger: Forger, draw: random.Random) -> Forgery:
    """Who sealed it, or when, is another; the entry keeps its digest, which the one who sealed it may hold."""
    path = draw.choice(sorted((forger.store / "history").glob("*.json")))
    entry = json.loads(path.read_bytes())
    entry[draw.choice(["actor", "time", "why"])] += "x"
    forger.write(path, rfc8785.dumps(entry))
    return Forgery("entry was altered", path.name)


def edited_manifest(forger: Forger, draw: random.Random) -> Forgery:
    """A count that the manifest states is another; everything, history too, is digested anew."""
    manifest = forger.manifest()
    source = draw.choice([source for source in manifest["sources"] if source["kept"]])
    source[draw.choice(["text_bytes", "kept", "repairs", "documents"])] += 1 + draw.randrange(9)
    forger.replace_manifest(manifest, history=True)
    return Forgery("conservation does not hold|ledger's rows do not add up", source["name"])


FORGERIES: dict[str, Callable[[Forger, random.Random], Forgery]] = {
    "a bit of a shard, re-digested": flipped_shard,
    "two shards swapped, re-digested": swapped_shards,
    "a text edited, re-digested": edited_text,
    "a ledger row dropped, re-digested": dropped_row,
    "a ledger row doubled, re-digested": doubled_row,
    "another seed claimed, re-digested but for the history": changed_seed,
    "another recipe claimed, everything re-digested": changed_recipe,
    "another recipe claimed and its rules, everything re-digested": changed_rules,
    "another input file claimed, everything re-digested": changed_file,
    "a ref to another version": stale_ref,
    "an entry of the history edited": rewritten_history,
    "a manifest edited by hand, everything re-digested": edited_manifest,
}
