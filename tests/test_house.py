"""The rules of the house that no linter knows: what lies where, and under which name.

Who may import whom is a contract in pyproject.toml.
"""

import re
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = {"corpus", "pipelines", "training", "evaluation", "workflows", "tests"}
TOP_LEVEL = FOLDERS | {"pyproject.toml", "README.md", "LICENSE"}
# Longer than this and one concept all the same: each file with the reason.
LONG = 400
LONG_FILES: dict[str, str] = {
    "tests/corpus/test_normalise.py": "three rules and their interplay, with an oracle each",
    "tests/workflows/test_sample.py": "everything the sample promises, recomputed from its files",
}
# What says nothing of what it holds.
EMPTY_NAMES = {"common", "helper", "helpers", "misc", "util", "utils"}
# Where one person's machine keeps its files.
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:root|home|Users|work)/\w")
# Names, and top-level folders, that are no part of the repository; .gitignore uses no other kind of pattern.
IGNORED = [".git", *(ROOT / ".gitignore").read_text().split()]


def _ignored(path: Path) -> bool:
    top = path.parent == ROOT
    return any(fnmatch(path.name, line.strip("/")) for line in IGNORED if top or not line.startswith("/"))


def _walk(folder: Path = ROOT) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if not _ignored(path):
            yield path
            if path.is_dir():
                yield from _walk(path)


FILES = [path.relative_to(ROOT) for path in _walk() if path.is_file()]
MODULES = [path for path in FILES if path.suffix == ".py"]


def _locked_modules() -> set[str]:
    """The packages of every lock, as a module would be called: most engines are not installed here."""
    pins = "\n".join(path.read_text() for path in (ROOT / "workflows/locks").glob("*.txt"))
    return {name.lower().replace("-", "_") for name in re.findall(r"^([\w.-]+)==", pins, re.MULTILINE)}


def test_the_top_level_is_what_the_readme_draws() -> None:
    assert {path.parts[0] for path in FILES if not path.parts[0].startswith(".")} == TOP_LEVEL


def test_every_folder_says_what_it_holds() -> None:
    # Below tests/ the folders mirror the tree; the dotted ones belong to other programs.
    folders = {path.parent for path in FILES if not path.parts[0].startswith(".")}
    silent = {folder for folder in folders if folder / "README.md" not in FILES and folder.parts[:1] != ("tests",)}
    assert sorted(map(str, silent)) == []
    assert Path("tests/README.md") in FILES


def test_no_module_hides_a_library() -> None:
    # `python pipelines/x.py` puts pipelines/ first on the path: a pipelines/dask.py would be imported as dask.
    taken = set(sys.stdlib_module_names) | _locked_modules()
    assert [str(path) for path in MODULES if path.stem in taken] == []


def test_every_name_says_what_it_holds() -> None:
    assert [str(path) for path in MODULES if EMPTY_NAMES & {path.stem, *path.parts[:-1]}] == []


def test_a_long_file_has_its_reason() -> None:
    lines = {str(path): len((ROOT / path).read_text().splitlines()) for path in MODULES}
    assert {name for name, count in lines.items() if count > LONG} == set(LONG_FILES)


def test_no_file_knows_a_machine() -> None:
    texts = {path: (ROOT / path).read_bytes().decode(errors="ignore") for path in FILES}
    assert [
        f"{path}: {found.group()}" for path, text in texts.items() for found in MACHINE_PATH.finditer(text)
    ] == []


def test_no_two_tests_bear_one_name() -> None:
    """Folders of tests are no packages: pytest imports each file by its name alone."""
    names = [path.name for path in FILES if path.parts[0] == "tests" and path.match("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == []
