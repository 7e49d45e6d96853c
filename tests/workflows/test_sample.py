"""The demo's sample: the same bytes every time, true formats, and planted pairs that are what planted.tsv says."""

from __future__ import annotations

import bz2
import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import zstandard

REPOSITORY = Path(__file__).parents[2]
SCRIPT = REPOSITORY / "workflows" / "sample" / "generate.py"
PACKAGES = REPOSITORY / "data" / "prose"

sys.path.insert(0, str(SCRIPT.parent))
import prose  # noqa: E402

from corpus.errors import SourceError  # noqa: E402

sys.path.remove(str(SCRIPT.parent))

MEGABYTES = 2
# The uncompressed files and planted.tsv of GENERATOR_VERSION 1 at 2 MB; independent of zstd's version.
GOLDEN = "135600f1c317b0663bdae6ba0bf40a778f914f441395ae2eaafc298fbf74891d"

SHARDS = [f"pile/train/{number:02d}.jsonl.zst" for number in range(3)]
MONTHS = [f"reddit/comments/RC_{month}" for month in ("2010-12.bz2", "2011-01.zst", "2011-02.zst")]
SUBMISSIONS = "reddit/submissions/RS_2011-01.zst"
FILES = [*SHARDS, *MONTHS, SUBMISSIONS]
OPT_SETS = {
    "Pile-CC",
    "DM Mathematics",
    "Gutenberg (PG-19)",
    "HackerNews",
    "OpenSubtitles",
    "OpenWebText2",
    "USPTO Backgrounds",
    "Wikipedia (en)",
}


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample of 2 MB."""
    try:
        prose.Library(PACKAGES)
    except SourceError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    out = tmp_path_factory.mktemp("sample") / "data"
    done = run("--out", out, "--megabytes", str(MEGABYTES), PYTHONHASHSEED="1")
    assert (done.returncode, done.stderr) == (0, "")
    return out


@pytest.fixture(scope="module")
def lines(folder: Path) -> dict[str, list[bytes]]:
    """The raw lines of every file."""
    found = {}
    for name in FILES:
        data = (folder / name).read_bytes()
        if name.endswith(".bz2"):
            stream = bz2.decompress(data)
        else:
            decompressor = zstandard.ZstdDecompressor(max_window_size=2**31)
            stream = decompressor.stream_reader(data, read_across_frames=True).read()
        assert stream.endswith(b"\n")
        found[name] = stream.split(b"\n")[:-1]
    return found


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[dict[str, str]]:
    text = (folder / "planted.tsv").read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE))


def text_of(line: bytes) -> str:
    text = json.loads(line)["text"]
    assert isinstance(text, str)
    return text


def sound(lines: dict[str, list[bytes]], rows: list[dict[str, str]], name: str) -> list[dict[str, Any]]:
    damaged = {int(row["record_a"]) for row in rows if row["kind"] == "damaged" and row["file_a"] == name}
    return [json.loads(line) for number, line in enumerate(lines[name]) if number not in damaged]


def test_same_bytes_whatever_the_hash_seed_locale_and_clock(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "again"
    done = run(
        "--out", out, "--megabytes", str(MEGABYTES), PYTHONHASHSEED="2", LC_ALL="C", TZ="Asia/Kathmandu", LANG=""
    )
    assert done.returncode == 0
    assert tree(out) == tree(folder)
    assert set(tree(out)) == {*FILES, "planted.tsv", "GENERATED.json"}


def test_golden(folder: Path, lines: dict[str, list[bytes]]) -> None:
    digest = hashlib.sha256((folder / "planted.tsv").read_bytes())
    for name in FILES:
        digest.update(b"\n".join(lines[name]))
    assert digest.hexdigest() == GOLDEN, "bytes moved: raise GENERATOR_VERSION and renew the digest"


def test_table_names_every_file_and_its_digest(folder: Path, tmp_path: Path) -> None:
    done = run("--out", tmp_path / "x", "--megabytes", str(MEGABYTES))
    table = [line.split() for line in done.stdout.splitlines()]
    digests = {row[0]: row[4] for row in table if len(row) == 5}
    assert digests == {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    stamp = json.loads((folder / "GENERATED.json").read_bytes())
    assert {name: stamp["files"][name] for name in FILES} == digests
    assert stamp["packages"] == prose.pins()


def test_second_run_leaves_the_folder_as_it_is_and_mends_a_damaged_file(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "copy"
    for name, data in tree(folder).items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(data)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    done = run("--out", out, "--megabytes", str(MEGABYTES))
    assert (done.returncode, done.stdout) == (0, f"{out} holds this sample already\n")
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == times

    damaged = bytearray((out / SHARDS[1]).read_bytes())
    damaged[1000] ^= 1
    (out / SHARDS[1]).write_bytes(damaged)
    assert run("--out", out, "--megabytes", str(MEGABYTES)).returncode == 0
    assert tree(out) == tree(folder)


def test_a_folder_of_other_files_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = run("--out", tmp_path, "--megabytes", str(MEGABYTES))
    assert done.returncode == 2
    assert done.stderr.startswith("error: there are other files")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert run("--out", tmp_path / "mine.txt", "--megabytes", str(MEGABYTES)).returncode == 2
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_missing_package_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(SourceError) as caught:
        prose.Library(tmp_path)
    assert "botocore" in caught.value.what
    assert "none is installed" in caught.value.what
    assert "workflows/locks/sample.txt" in caught.value.remedy


@pytest.mark.parametrize("megabytes", ["0", "33", "-1", "nan"])
def test_an_impossible_size_is_refused(tmp_path: Path, megabytes: str) -> None:
    done = run("--out", tmp_path / "x", "--megabytes", megabytes)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the sample has 1 to 32 megabytes")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".zst")])
def test_zstd_frames(folder: Path, name: str) -> None:
    pushshift = name in (MONTHS[1], SUBMISSIONS)
    data, frames = (folder / name).read_bytes(), 0
    while data:
        header = zstandard.get_frame_parameters(data)
        assert header.content_size == zstandard.CONTENTSIZE_UNKNOWN
        assert header.window_size == (2**31 if pushshift else 2**21)
        assert header.has_checksum is pushshift
        frame = zstandard.ZstdDecompressor(max_window_size=2**31).decompressobj()
        frame.decompress(data)
        data, frames = frame.unused_data, frames + 1
    assert frames == (5 if name == SHARDS[1] else 1)


def test_pile_lines_are_json_dumps_defaults(lines: dict[str, list[bytes]], rows: list[dict[str, str]]) -> None:
    string_meta = Counter[str]()
    sets = Counter[str]()
    for name in SHARDS:
        for record in sound(lines, rows, name):
            assert list(record) == ["text", "meta"]
            meta = record["meta"]
            if isinstance(meta, str):
                string_meta[name] += 1
                meta = json.loads(meta)
            assert list(meta) == ["pile_set_name"]
            sets[meta["pile_set_name"]] += 1
    assert list(string_meta) == [SHARDS[2]]
    assert set(sets) == OPT_SETS | {"Github", "ArXiv", "PubMed Abstracts"}
    for name in SHARDS:
        for line in lines[name]:
            assert line.isascii()
        again = [json.dumps(record).encode() for record in sound(lines, rows, name)]
        assert set(again) <= set(lines[name])


def test_text_forms(lines: dict[str, list[bytes]], rows: list[dict[str, str]]) -> None:
    copies = {(row["file_b"], int(row["record_b"])) for row in rows if row["kind"] in ("near", "short", "family")}
    texts = defaultdict(list)
    for name in SHARDS:
        damaged = {int(row["record_a"]) for row in rows if row["kind"] == "damaged" and row["file_a"] == name}
        for number, line in enumerate(lines[name]):
            if number not in damaged and (name, number) not in copies:
                record = json.loads(line)
                meta = json.loads(record["meta"]) if isinstance(record["meta"], str) else record["meta"]
                texts[meta["pile_set_name"]].append(record["text"])
    for text in texts["Wikipedia (en)"]:
        title, blank, body = text.split("\n", 2)
        assert title and not blank and body
    for text in texts["OpenSubtitles"]:
        assert "\n" not in text and text[0] == text[-1] == '"' and '" "' in text
    for text in texts["HackerNews"]:
        head, discussion = text.split("======\n")
        assert " - user" in head and discussion.startswith("user") and discussion.endswith("\n\n")
    for text in texts["DM Mathematics"]:
        pairs = text.removesuffix("\n").split("\n")
        assert len(pairs) % 2 == 0 and 8_192 <= len(text) < 8_400
        for question, answer in zip(pairs[::2], pairs[1::2], strict=True):
            assert question[-1] in ".?" and int(answer) == solved(question)
    for text in texts["USPTO Backgrounds"]:
        assert text.startswith("1. Field of the Invention\n") and "\n\n" not in text
    books = texts["Gutenberg (PG-19)"]
    assert all("\n\nchapter " in text.lower() for text in books)


def solved(question: str) -> int:
    """Reads a question of DM Mathematics as a person would."""
    words = question.rstrip(".?").split()
    numbers = [int(word) for word in words if word.lstrip("-").isdigit()]
    match words[:2]:
        case ["Calculate", "the"]:
            return numbers[0] - numbers[0] // numbers[1] * numbers[1]
        case ["Calculate", _]:
            return numbers[0] + numbers[1]
        case ["Multiply", _]:
            return numbers[0] * numbers[1]
        case ["Which", _]:
            return sorted(numbers)[-1]
        case ["Solve", product]:
            factor = int(product.split("*")[0])
            offset = numbers[0] if words[2] == "+" else -numbers[0]
            assert (numbers[1] - offset) % factor == 0
            return (numbers[1] - offset) // factor
        case ["What", "is"] if "minus" in words:
            return numbers[0] - numbers[1]
        case ["What", "is"] if "factor" in words:
            return max(n for n in range(1, min(numbers) + 1) if numbers[0] % n == 0 and numbers[1] % n == 0)
        case ["What", "is"]:
            place = ["units", "tens", "hundreds", "thousands"].index(words[3])
            return int(str(numbers[0])[-1 - place])
    raise AssertionError(question)


def test_planted_pairs_have_the_jaccard_they_say(
    lines: dict[str, list[bytes]], rows: list[dict[str, str]]
) -> None:
    def grams(text: str) -> set[str]:
        words = text.lower().split()
        return {" ".join(words[start : start + 5]) for start in range(max(1, len(words) - 4))}

    pairs = [row for row in rows if row["kind"] in ("near", "short", "family", "exact")]
    for row in pairs:
        text_a = text_of(lines[row["file_a"]][int(row["record_a"])])
        text_b = text_of(lines[row["file_b"]][int(row["record_b"])])
        a, b = grams(text_a), grams(text_b)
        assert (len(a & b), len(a | b)) == (int(row["inter"]), int(row["union"]))
        assert (text_a == text_b) == (row["kind"] == "exact")
        if row["kind"] == "exact":
            assert row["file_a"] != row["file_b"]
        if row["kind"] == "near":
            assert min(len(text_a.split()), len(text_b.split())) >= 30
            assert len(text_a.split()) >= 60
        if row["kind"] == "short":
            assert len(text_a.split()) < 60


def test_planted_counts_and_no_chains(rows: list[dict[str, str]]) -> None:
    near = [row for row in rows if row["kind"] == "near"]
    ratios = [int(row["inter"]) / int(row["union"]) for row in near]
    # A twelfth of the full sample's 490 and 440.
    assert sum(ratio >= 0.95 for ratio in ratios) in range(38, 44)
    assert sum(ratio < 0.95 for ratio in ratios) in range(34, 40)
    for low, high in pairwise((0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.99, 1.0)):
        assert any(low <= ratio < high for ratio in ratios)
    assert any(ratio == 1 for ratio in ratios)
    used = Counter(
        (row[f"file_{side}"], row[f"record_{side}"])
        for row in rows
        if row["kind"] in ("near", "short", "exact")
        for side in "ab"
    )
    assert set(used.values()) == {1}
    family = [row for row in rows if row["kind"] == "family"]
    assert len(family) == 40
    assert len({(row["file_a"], row["record_a"]) for row in family}) == 1
    assert any(row["file_a"] != row["file_b"] for row in near)


def verdict(line: bytes, *path: str) -> str:
    """What is wrong with a line that should hold a string at each path of keys."""
    try:
        record = json.loads(line)
    except ValueError:
        return "broken json"
    if not isinstance(record, dict):
        return "broken json"
    for field in path:
        value: Any = record
        for key in field.split("."):
            if not isinstance(value, dict):
                return "wrong type"
            if key not in value:
                return "missing field"
            value = value[key]
        if not isinstance(value, str):
            return "wrong type"
    return "unknown set" if record.get("meta") == {"pile_set_name": "CommonCrawl"} else "sound"


def test_damaged_records_are_damaged_as_said(lines: dict[str, list[bytes]], rows: list[dict[str, str]]) -> None:
    damaged = [row for row in rows if row["kind"] == "damaged"]
    assert len(damaged) == 13
    for row in damaged:
        path = ("body",) if row["file_a"].startswith("reddit") else ("text", "meta.pile_set_name")
        assert verdict(lines[row["file_a"]][int(row["record_a"])], *path) == row["how"].partition(":")[0]


def test_oddities_are_there(lines: dict[str, list[bytes]], rows: list[dict[str, str]]) -> None:
    texts = {
        row["how"]: text_of(lines[row["file_a"]][int(row["record_a"])]) for row in rows if row["kind"] == "odd"
    }
    for how, expected in {
        "CRLF line ends": "\r\n",
        "tabs and trailing spaces": "  \t\n",
        "U+2028 and U+2029": "\u2028",
        "lone surrogate": "\ud83d",
        "NUL and other controls": "\x00",
        "byte order mark inside": "\ufeff",
        "end-of-text token in the text": "<|endoftext|>",
    }.items():
        assert expected in texts[how]
    assert texts["white space only"].strip() == ""
    assert texts["no text"] == ""
    assert len(set(texts["repeated lines"].split("\n"))) == 2
    assert sum(map(str.isalpha, texts["few letters"])) == 0


def comments_of(lines: dict[str, list[bytes]], rows: list[dict[str, str]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for month in MONTHS:
        for record in sound(lines, rows, month):
            found.setdefault(record["id"], record)
    return found


def test_reddit_lines_have_the_types_of_2011(lines: dict[str, list[bytes]], rows: list[dict[str, str]]) -> None:
    orders = set()
    bounds = [1291161600, 1293840000, 1296518400, 1298937600]
    for month, start, end in zip(MONTHS, bounds, bounds[1:], strict=False):
        records = sound(lines, rows, month)
        again = {json.dumps(record, separators=(",", ":")).encode() for record in records}
        assert again <= set(lines[month])
        # The last of February is January's first line once more.
        for record in records[: -1 if month == MONTHS[2] else None]:
            orders.add(tuple(record))
            assert len(record) == 21
            assert type(record["created_utc"]) is str and start <= int(record["created_utc"]) < end
            assert record["name"] == f"t1_{record['id']}"
            assert record["link_id"].startswith("t3_") and record["parent_id"][:3] in ("t1_", "t3_")
            assert record["author"] == "[deleted]" or record["author"].startswith("user")
            assert "<" not in record["body"] and ">" not in record["body"]
    assert len(orders) > 500
    bodies = [record["body"] for record in comments_of(lines, rows).values()]
    assert any(body.startswith("&gt; ") and "\n\n" in body for body in bodies)
    assert {"[deleted]", "[removed]"} <= set(bodies)
    for record in sound(lines, rows, SUBMISSIONS):
        assert type(record["created_utc"]) is int and "retrieved_on" not in record
        assert record["is_self"] == bool(record["selftext"])
        assert "<" not in record["title"] + record["selftext"]


def test_the_longest_chains_keep_about_a_third(lines: dict[str, list[bytes]], rows: list[dict[str, str]]) -> None:
    planted_threads = {
        json.loads(lines[row["file_a"]][int(row["record_a"])])["link_id"]
        for row in rows
        if row["file_a"].startswith("reddit") and row["kind"] in ("deep", "tie", "cycle", "orphan")
    }
    comments = comments_of(lines, rows)
    children, total = defaultdict(list), 0
    for comment in comments.values():
        if comment["link_id"] not in planted_threads:
            children[comment["parent_id"]].append(comment)
            total += len(comment["body"])
    kept = 0
    for name in [name for name in children if name.startswith("t3_")]:
        walk, best = [(1, len(top["body"]), top["id"]) for top in children[name]], (0, 0)
        while walk:
            depth, size, identity = walk.pop()
            best = max(best, (depth, size))
            walk += [
                (depth + 1, size + len(reply["body"]), reply["id"]) for reply in children.get(f"t1_{identity}", [])
            ]
        kept += best[1]
    assert 0.25 < kept / total < 0.42


def test_planted_threads(lines: dict[str, list[bytes]], rows: list[dict[str, str]]) -> None:
    comments = comments_of(lines, rows)

    def at(row: dict[str, str], side: str) -> dict[str, Any]:
        return dict(json.loads(lines[row[f"file_{side}"]][int(row[f"record_{side}"])]))

    def climb(comment: dict[str, Any]) -> list[dict[str, Any]]:
        chain = [comment]
        while (parent := chain[-1]["parent_id"][3:]) in comments and len(chain) <= 2_000:
            chain.append(comments[parent])
        return chain

    by_kind = defaultdict(list)
    for row in rows:
        by_kind[row["kind"]].append(row)
    deep = climb(at(by_kind["deep"][0], "b"))
    assert len(deep) == 1_000 and deep[-1] == at(by_kind["deep"][0], "a")
    assert len(climb(at(by_kind["cycle"][0], "a"))) > 2_000
    (orphan,) = by_kind["orphan"]
    parent = at(orphan, "a")["parent_id"]
    assert parent.startswith("t1_") and parent[3:] not in comments
    for row in by_kind["tie"]:
        assert len(climb(at(row, "a"))) == len(climb(at(row, "b")))
    (twice,) = by_kind["duplicate id"]
    assert at(twice, "a")["id"] == at(twice, "b")["id"] and twice["file_a"] != twice["file_b"]
    for row in by_kind["deleted parent"]:
        comment = at(row, "a")
        assert comment["body"] in ("[deleted]", "[removed]")
        assert comment["parent_id"][:3] == "t1_"
        assert any(other["parent_id"] == comment["name"] for other in comments.values())
    (both,) = by_kind["two months"]
    assert (both["file_a"], both["file_b"]) == (MONTHS[1], MONTHS[2])
    assert at(both, "a") in climb(at(both, "b"))
