"""The difference between two corpora: every grade over real builds and forgeries, the counts by a plain join."""

from __future__ import annotations

import gzip
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from resealed_corpus import edit_third_text, reseal
from tiny_corpus import Tiny, built, command

from corpus import storage
from corpus.document import Texts
from corpus.drops import Drop
from corpus.manifest import load_manifest
from corpus.part import PartWriter, read_part
from corpus.shard import Shard
from corpus.table import concat
from pipelines.auditing import document_changes
from pipelines.auditing.changes import Change, changes
from pipelines.auditing.difference import Difference, difference
from pipelines.auditing.difference_text import describe
from pipelines.auditing.first_divergence import first_row


def kept(ref: str) -> dict[bytes, tuple[Any, ...]]:
    """Id -> (drop, source, tokens) of every record: by reading tables whole into dicts."""
    store = ref.split("/refs/tiny/")[0]
    digest = Path(ref).read_text().strip().removeprefix("sha256:")
    manifest = json.loads((Path(store) / "manifests" / f"{digest}.json").read_bytes())
    keys = {stage["name"]: stage["key"] for stage in manifest["stages"]}
    tokens = {}
    for path in (Path(store) / "stages/shards" / keys["shards"] / "parts").glob("*.placement.parquet"):
        starts = Shard.open(str(path).removesuffix(".placement.parquet")).starts
        for row, length in zip(pq.read_table(path).to_pylist(), np.diff(starts).tolist(), strict=True):
            tokens[row["ledger"], row["row"]] = length
    found = {}
    parts = sorted((Path(store) / "stages/verdicts" / keys["verdicts"] / "parts").glob("*-ledger.parquet"))
    for part, path in enumerate(parts):
        for number, row in enumerate(pq.read_table(path).to_pylist()):
            found[row["doc_id"]] = (Drop(row["drop"]).label, row["source"], tokens.get((part, number), 0))
    return found


def assert_moved(found: Difference, one: str, other: str) -> None:
    """The groups of what came and went are those of a plain join over dicts."""
    before, after = kept(one), kept(other)
    assert found.documents is not None
    for groups, mine, theirs in ((found.documents.removed, before, after), (found.documents.added, after, before)):
        reasons: Counter[str] = Counter()
        tokens: Counter[str] = Counter()
        for doc_id, (label, _, count) in mine.items():
            there = theirs.get(doc_id, ("absent", 0, 0))[0]
            if label == "kept" and there != "kept":
                reasons[there] += 1
                tokens[there] += count
        said: Counter[str] = Counter()
        weighed: Counter[str] = Counter()
        for moved in groups:
            absent = moved.reason.startswith("its ")
            said["absent" if absent else moved.reason] += moved.documents
            weighed["absent" if absent else moved.reason] += moved.tokens
        assert said == reasons
        assert weighed == tokens
    assert found.documents.kept == tuple(sum(v[0] == "kept" for v in side.values()) for side in (before, after))


def test_a_corpus_and_its_copy_are_bit_identical(tiny: Tiny, copy_of: Callable[[], Tiny]) -> None:
    done = command("audit.py", "diff", tiny.ref, copy_of().ref)
    assert done.returncode == 0
    assert done.stdout.startswith("grade A: bit-identical\n")


def test_another_threshold_is_explained_by_its_key(
    copy_of: Callable[[], Tiny], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = copy_of()
    ref = built(tiny, "2", "--set", "text.filters.min_words=300", "--set", "duplicates.policy=component")
    found = difference(tiny.ref, ref)
    assert found.grade == "C"
    assert Change("text.filters.min_words", "1", "300") in found.recipe
    assert found.divergence is not None
    assert found.divergence.where.startswith("stage documents, ")
    assert any("min_words: 1 -> 300" in cause for cause in found.causes)
    assert_moved(found, tiny.ref, ref)
    assert found.documents is not None
    assert found.documents.removed[0].reason == "too few words"
    monkeypatch.setattr(document_changes, "DOCUMENTS_AT_ONCE", 7)
    assert difference(tiny.ref, ref) == found
    back = difference(ref, tiny.ref).documents
    assert back is not None
    assert [g.documents for g in back.added] == [g.documents for g in found.documents.removed]
    done = command("audit.py", "diff", tiny.ref, ref, "--json")
    assert done.returncode == 1
    assert msgspec.json.decode(done.stdout, type=Difference) == found


def test_another_normalisation_changes_texts_of_the_same_records(copy_of: Callable[[], Tiny]) -> None:
    tiny = copy_of()
    ref = built(tiny, "2", "--set", 'source.own.text.normalise=["gutenberg-notices", "whitespace"]')
    found = difference(tiny.ref, ref)
    assert found.grade == "C"
    assert found.documents is not None
    assert [(moved.reason, moved.documents) for moved in found.documents.changed] == [("own", 1)]
    before, after = kept(tiny.ref), kept(ref)
    changed = bytes.fromhex(found.documents.changed[0].examples[0].doc_id)
    assert found.documents.changed[0].tokens == after[changed][2] - before[changed][2] > 0
    assert found.documents.texts == (1, found.documents.same, 1)


def held_out(ref: str) -> dict[tuple[int, int], bool]:
    """Whether each kept document, by its row of the ledger, stands in validation."""
    store = ref.split("/refs/tiny/")[0]
    manifest = load_manifest(store, Path(ref).read_text().strip().removeprefix("sha256:"))
    folder = Path(store) / "stages/shards" / manifest.stage("shards").key / "parts"
    return {
        (row["ledger"], row["row"]): shard.split == "valid"
        for shard in manifest.shards
        for row in pq.read_table(folder / f"{shard.name}.placement.parquet").to_pylist()
    }


def test_another_seed_moves_documents_between_training_and_validation(copy_of: Callable[[], Tiny]) -> None:
    tiny = copy_of()
    ref = built(tiny, "2", "--set", "seed=7")
    found = difference(tiny.ref, ref)
    assert found.grade == "C"
    assert found.documents is not None
    before, after = held_out(tiny.ref), held_out(ref)
    ways = Counter((before[place], after[place]) for place in before.keys() & after.keys())
    said = {moved.reason: moved.documents for moved in found.documents.resplit}
    assert said["from training to validation"] == ways[False, True] > 0
    assert said["from validation to training"] == ways[True, False] > 0
    assert f"{ways[False, True]} went from training to validation (" in describe(found)


def test_another_file_is_the_cause(copy_of: Callable[[], Tiny], tmp_path: Path) -> None:
    """One document's text is changed in the raw file, a document is added, and a source loses nothing."""
    tiny = copy_of()
    data = tmp_path / "data"
    shutil.copytree(tiny.data, data)
    lines = gzip.decompress((data / "own/a.jsonl.gz").read_bytes()).split(b"\r\n")
    lines[4] = lines[4].replace(b". ", b". Indeed ", 1)
    lines.append(json.dumps({"body": {"text": "quite new " * 30}}).encode())
    (data / "own/a.jsonl.gz").write_bytes(gzip.compress(b"\r\n".join(lines), mtime=0))
    ref = built(Tiny(data, tiny.recipe, tiny.store, tiny.digest, ""), "2")
    found = difference(tiny.ref, ref)
    assert found.grade == "C"
    assert [change.key for change in found.files] == ["own/a.jsonl.gz"]
    assert found.causes[0] == "other bytes of own/a.jsonl.gz"
    assert_moved(found, tiny.ref, ref)
    assert found.documents is not None
    assert [(m.reason, m.documents) for m in found.documents.removed] == [("its file has other bytes", 1)]
    assert [(m.reason, m.documents) for m in found.documents.added] == [("its file has other bytes", 2)]
    assert "changed own/a.jsonl.gz" in describe(found)


def test_a_container_written_anew_is_logically_identical(tiny: Tiny, copy_of: Callable[[], Tiny]) -> None:
    def anew(path: Path) -> None:
        pq.write_table(pq.read_table(path), path, compression="gzip", row_group_size=7)

    copy = copy_of()
    reseal(copy, "verdicts", anew, "reduce-00000-ledger.parquet")
    found = difference(tiny.ref, copy.ref)
    assert (found.grade, found.divergence, found.unexplained) == ("B", None, ())
    assert found.containers == 2  # the part, and the seal that names its bytes
    assert command("audit.py", "diff", tiny.ref, copy.ref).returncode == 0


def test_papers_alone_are_logically_identical(copy_of: Callable[[], Tiny]) -> None:
    tiny = copy_of()
    ref = built(tiny, "2", "--set", "source.own.licence=CC0-1.0")
    found = difference(tiny.ref, ref)
    assert found.grade == "B"
    assert [change.key for change in found.recipe] == ["source.own.licence", "version"]


def test_an_edited_text_resealed_by_hand_is_unexplained(tiny: Tiny, copy_of: Callable[[], Tiny]) -> None:
    copy = copy_of()
    reseal(copy, "documents", edit_third_text, "map-00000-0000.text.arrow")
    found = difference(tiny.ref, copy.ref)
    assert found.grade == "F"
    assert found.divergence is not None
    assert found.divergence.where == "stage documents, map-00000-0000.text.arrow, row 2"
    assert found.divergence.path == "pile/train/00.jsonl.zst"
    ((column, before, after),) = found.divergence.columns
    assert column == "text"
    assert before.replace(".", "!", 1) == after
    done = command("audit.py", "diff", tiny.ref, copy.ref)
    assert done.returncode == 1
    assert "likely cause: nothing recorded explains it" in done.stdout
    assert "unexplained: stage documents" in done.stdout


def test_a_text_forged_behind_an_honest_change_is_unexplained(copy_of: Callable[[], Tiny]) -> None:
    """Another threshold explains what is dropped, not that a kept record has another text."""

    def edit(path: Path) -> None:
        table = concat(read_part(str(path)))
        digests = table["text_digest"].copy()
        digests[np.flatnonzero(table["drop"] == Drop.KEPT)[0], 0] ^= 1
        path.unlink()
        with PartWriter(str(path.parent), path.name) as part:
            part.write({**table, "text_digest": digests})
            part.close()

    tiny = copy_of()
    ref = built(tiny, "2", "--set", "source.own.text.filters.min_words=21")
    other = tiny.store.parent / "other"
    shutil.copytree(tiny.store, other)
    digest = Path(ref).read_text().strip().removeprefix("sha256:")
    forged = Tiny(tiny.data, tiny.recipe, other, digest, "")
    name = next(p.name for p in load_manifest(str(other), digest).stage("documents").parts if "rows" in p.name)
    reseal(forged, "documents", edit, name)
    found = difference(tiny.ref, str(other / "refs/tiny/2"))
    assert found.grade == "F"
    assert found.unexplained == ("texts of source wikipedia",)


@given(st.lists(st.binary(max_size=3), max_size=12), st.lists(st.binary(max_size=3), max_size=12), st.data())
def test_the_first_row_is_that_of_two_lists(
    tmp_path_factory: pytest.TempPathFactory, one: list[bytes], other: list[bytes], data: st.DataObject
) -> None:
    """However either table is cut into batches."""
    common = data.draw(st.lists(st.binary(max_size=3), max_size=12))
    urls = []
    for rows in (common + one, common + other):
        folder = tmp_path_factory.mktemp("part")
        batches = data.draw(st.integers(1, 5))
        with PartWriter(str(folder), "x.arrow") as part:
            for start in range(0, max(1, len(rows)), batches):
                some = rows[start : start + batches]
                numbers = np.arange(start, start + len(some))
                part.write({"text": Texts.from_list(some), "number": numbers})
            part.close()
        urls.append(storage.join(str(folder), "x.arrow"))
    left, right = common + one, common + other
    expected = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), None)
    row, (first, second) = first_row(urls[0], urls[1])
    assert row == (min(len(left), len(right)) if expected is None else expected)
    assert [bool(first), bool(second)] == [row < len(left), row < len(right)] or left == right


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(st.text("ab", min_size=1), below, max_size=3),
)
_TREES = st.dictionaries(st.text("abc", min_size=1, max_size=2), _VALUES, max_size=4)


@given(_TREES, _TREES)
def test_trees_that_differ_have_changes(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (changes(one, other) == ()) == same
    assert [(c.key, c.new, c.old) for c in changes(one, other)] == [
        (c.key, c.old, c.new) for c in changes(other, one)
    ]


def test_named_tables_are_entered_by_name_and_their_order_counts() -> None:
    one = {"source": [{"name": "a", "licence": "x"}, {"name": "b"}]}
    other = {"source": [{"name": "b"}, {"name": "a", "licence": "y"}]}
    assert [str(change) for change in changes(one, other)] == [
        'source: ["a", "b"] -> ["b", "a"]',
        'source.a.licence: "x" -> "y"',
    ]
