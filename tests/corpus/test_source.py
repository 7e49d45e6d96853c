"""Which files a recipe's inputs are: as a shell would find them."""

from __future__ import annotations

import glob
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.recipe import Input, Recipe, Source
from corpus.source import find_blobs

NAMES = st.sampled_from(["a", "b.gz", ".a", ".b.gz.part", "ab", "a.b"])
PATTERNS = st.sampled_from(["*", "a", ".*", "*.gz", "?", "[ab]*", ".a", "a*"])


def found(data: Path, pattern: str) -> list[str]:
    read = Input(name="i", reader="text", files=(pattern,), sources={"*": "s"})
    recipe = Recipe(name="r", version="1", input=(read,), source=(Source(name="s"),))
    return [blob.path for blob in find_blobs(recipe, str(data)).blobs]


@settings(max_examples=200)
@given(
    paths=st.lists(st.lists(NAMES, min_size=1, max_size=3), min_size=1, max_size=6),
    folders=st.lists(PATTERNS | st.just("**"), max_size=2),
    name=PATTERNS,
)
def test_a_pattern_matches_what_a_shell_would(
    tmp_path_factory: pytest.TempPathFactory, paths: list[list[str]], folders: list[str], name: str
) -> None:
    data = tmp_path_factory.mktemp("data")
    for parts in paths:
        path = data.joinpath(*parts)
        if not path.exists() and all(not above.is_file() for above in path.parents):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
    wanted = "/".join([*folders, name])
    listed = glob.glob(wanted, root_dir=data, recursive=True)  # noqa: PTH207 (pathlib finds hidden names)
    assert found(data, wanted) == sorted({path for path in listed if (data / path).is_file()})


def test_a_half_fetched_file_is_no_input(tmp_path: Path) -> None:
    for name in ("RC_2012-01.zst", ".RC_2012-02.zst.part", ".RC_2012-02.zst.part.json", ".mirror.jsonl", ".lock"):
        (tmp_path / name).write_bytes(b"x")
    for pattern in ("RC_*", "*", "**", "**/*"):
        assert found(tmp_path, pattern) == ["RC_2012-01.zst"]
