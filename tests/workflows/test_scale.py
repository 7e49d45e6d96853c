"""20,000 drawn documents by the pipeline's own stages: what is dropped, chosen and placed, counted anew."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.drops import Drop
from corpus.manifest import Manifest, load_manifest, read_ref
from corpus.provenance import Ledger, read_placement
from corpus.table import concat
from pipelines.steps.blocks import ALONE, group_size_of
from pipelines.steps.duplicates import MAX_PARTITIONS, partitions_for

SOAK = Path(__file__).parents[2] / "workflows" / "soak"

sys.path.insert(0, str(SOAK))
from scale import drawn_corpus, exponent  # noqa: E402
from stand_ins import THINNED, Hand, draw_lines, draw_posts, draw_shingles  # noqa: E402
from textless import Draws, Facts, digests, shared_likeness, written  # noqa: E402

sys.path.remove(str(SOAK))

DOCUMENTS = 20_000
DRAWS = drawn_corpus(DOCUMENTS, 5_000)
REDDIT = 1


@dataclass
class Built:
    store: str
    manifest: Manifest


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    store = str(tmp_path_factory.mktemp("scale") / "store")
    line = [sys.executable, str(SOAK / "scale.py"), "--build", str(DOCUMENTS), "--file", "5000", "--store", store]
    done = subprocess.run(line, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return Built(store, load_manifest(store, read_ref(f"{store}/refs/scale/1.0.0")[1]))


def facts(numbers: list[int]) -> Facts:
    return DRAWS.facts(np.array(numbers, np.uint64), np.ones(len(numbers), np.int64))


def ranked(draws: Draws) -> list[int]:
    """The numbers of all documents of files, in the order of their ids."""
    numbers = np.arange(draws.documents, dtype=np.uint64)
    ids = [row.tobytes() for row in digests(draws.hashed(numbers, 9), 16)]
    return sorted(range(draws.documents), key=ids.__getitem__)


def once_per_text() -> tuple[list[int], int]:
    """The best ranked document of each text, and how many others there are."""
    content = facts(list(range(DOCUMENTS))).content.tolist()
    stay: dict[int, int] = {}
    for number in ranked(DRAWS):
        stay.setdefault(content[number], number)
    return list(stay.values()), DOCUMENTS - len(stay)


def near_losers(numbers: list[int]) -> set[int]:
    """In rank order, each that has 95% of its shingles in common with one that stays."""
    families = defaultdict(list)
    for number, family in zip(numbers, facts(numbers).family.tolist(), strict=True):
        families[family].append(number)
    lost = set()
    for members in families.values():
        if len(members) == 1:
            continue
        found = draw_shingles(Hand(DRAWS), written(np.array(members, np.uint64)))
        sets = [set(hashes.tolist()) for hashes in np.split(found.hashes, found.offsets[1:-1])]
        stay: list[set[int]] = []
        for number, shingles in zip(members, sets, strict=True):
            if any(100 * len(shingles & other) >= 95 * len(shingles | other) for other in stay):
                lost.add(number)
            else:
                stay.append(shingles)
    return lost


def longest_chains() -> tuple[int, int, int]:
    """Comments of Reddit, threads with a live one, and live comments on the longest chain of each."""
    depth: dict[int, int] = {}
    most: dict[int, int] = defaultdict(int)
    comments = []
    for file in range(-(-DRAWS.threads // DRAWS.threads_per_file)):
        hand = Hand(DRAWS)
        for lines in draw_lines(hand, iter([b"reddit/%05d" % file])):
            posts = draw_posts(hand, lines)
            comments += zip(
                posts.id.tolist(), posts.parent_kind.tolist(), posts.parent.tolist(),
                posts.thread.tolist(), posts.live.tolist(), strict=True,
            )  # fmt: skip
    for name, kind, parent, thread, live in sorted(comments):  # a comment comes after what it answers
        depth[name] = live + (depth[parent] if kind == 1 else 0)
        most[thread] = max(most[thread], depth[name])
    return len(comments), sum(length > 0 for length in most.values()), sum(most.values())


def test_what_is_dropped_is_what_was_drawn_to_be(built: Built) -> None:
    pages, reddit = built.manifest.sources
    stay, copies = once_per_text()
    near = near_losers(stay)
    assert copies > 3000 and len(near) > 500
    assert {name: dropped.documents for name, dropped in pages.dropped.items()} == {
        Drop.EXACT_DUPLICATE.label: copies,
        Drop.NEAR_DUPLICATE.label: len(near),
    }
    kept = sorted(set(stay) - near)
    assert (pages.documents, pages.kept) == (DOCUMENTS, len(kept))
    assert pages.text_bytes == facts(kept).size.sum()
    tokens = 1 + facts(kept).size * shared_likeness().tokens // (1000 * THINNED)
    assert sum(shard.tokens for shard in built.manifest.shards if shard.source == "pages") == tokens.sum()
    assert not reddit.dropped


def test_the_chains_are_the_longest(built: Built) -> None:
    comments, threads, chosen = longest_chains()
    counts = built.manifest.stage("threads").counts
    assert counts["chains/reddit/comments"] == counts["stream/reddit/records"] == comments
    assert counts["chains/reddit/chosen"] == chosen
    assert built.manifest.sources[REDDIT].documents == threads
    # Drawn threads are like the sample's: as long, and their longest chains too.
    like = shared_likeness()
    assert 0.75 < comments / DRAWS.threads / (19_147 / 1_703) < 1.25
    assert 0.75 < 1000 * chosen / DRAWS.threads / like.chains < 1.25


def test_every_kept_document_is_placed_once(built: Built) -> None:
    ledger = Ledger.sealed_in(built.store, built.manifest)
    rows = concat(part for _, part in ledger.read(["doc_id", "source", "drop"]))
    assert len({row.tobytes() for row in rows["doc_id"]}) == ledger.rows
    placed = [
        ledger.places(read_placement(built.manifest, built.store, shard.name)) for shard in built.manifest.shards
    ]
    assert np.array_equal(np.sort(np.concatenate(placed)), np.flatnonzero(rows["drop"] == Drop.KEPT))
    for shard, places in zip(built.manifest.shards, placed, strict=True):
        assert len(places) == shard.documents
        assert set(rows["source"][places].tolist()) <= {["pages", "reddit"].index(shard.source)}


def test_a_power_is_told_from_two_sizes() -> None:
    assert exponent([10, 100], [2.0, 20.0]) == "1.00"
    assert exponent([10, 100], [2.0, 200.0]) == "2.00"
    assert exponent([10, 100], [0.001, 2.0]) == ""


def test_partitions_by_key_stop_growing() -> None:
    assert [partitions_for(10**size) for size in (0, 5, 6, 9, 12)] == [1, 1, 4, 4000, MAX_PARTITIONS]


@given(st.integers(0, 10**7))
def test_groups_of_blocks_grow_no_faster_than_their_cells_may(blocks: int) -> None:
    """Cells of an exchange from group to group grow as blocks do, and each block is in a group."""
    size = group_size_of(blocks)
    assert size == 1 or (size * size * ALONE <= blocks < (size + 1) * (size + 1) * ALONE)
    groups = -(-blocks // size)
    assert groups * groups <= 4 * ALONE * max(blocks, ALONE) + 4 * groups
    assert (groups - 1) * size < max(1, blocks)
