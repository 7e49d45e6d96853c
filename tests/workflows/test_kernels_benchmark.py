"""The benchmark of the steps: each meets text of its own, what is measured is done, what is said is counted."""

import argparse
import hashlib
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import orjson
import pytest
import zstandard

BENCHMARKS = Path(__file__).parents[2] / "workflows" / "benchmarks"

sys.path.insert(0, str(BENCHMARKS))
import build  # noqa: E402
import kernel_steps  # noqa: E402
import kernels  # noqa: E402
import limits  # noqa: E402
import pieces  # noqa: E402
from peer import Peer  # noqa: E402

del sys.path[0]

from corpus.document import Texts  # noqa: E402
from corpus.encoders import TokenizersEncoder  # noqa: E402
from corpus.recipe import load_recipe  # noqa: E402
from corpus.shard import Shard  # noqa: E402
from corpus.source import Blob  # noqa: E402
from corpus.tokenizer import Tokens  # noqa: E402

RECIPE = load_recipe(str(kernels.RECIPE))


def texts(first: int, count: int) -> list[str]:
    """Texts that share no sentence."""
    return [
        f"Text {number}.\r\n\r\n\r\n" + f"of word{number} and zwölf, " * 40
        for number in range(first, first + count)
    ]


def write(path: Path, lines: list[bytes]) -> None:
    path.write_bytes(zstandard.compress(b"".join(line + b"\n" for line in lines)))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for number in range(2):
        write(folder / f"{number}.jsonl.zst", [orjson.dumps({"text": text}) for text in texts(100 * number, 60)])
    return folder


def cut(data: Path, folder: Path, count: int, megabytes: float) -> list[pieces.Piece]:
    return list(pieces.cut(sorted(data.glob("*.zst")), count, megabytes, RECIPE, folder))


def test_no_two_pieces_share_a_text_and_all_are_alike(data: Path, tmp_path: Path) -> None:
    found = cut(data, tmp_path, 3, megabytes=1)
    held = [text.decode() for piece in found for batch in piece.records for text in batch]
    assert sorted(held) == sorted(texts(0, 60) + texts(100, 60))
    assert max(piece.megabytes for piece in found) - min(piece.megabytes for piece in found) < 0.002
    assert sum(piece.megabytes for piece in found) == pytest.approx(sum(len(text.encode()) for text in held) / 1e6)


def test_pieces_end_at_the_size_that_is_asked_for(data: Path, tmp_path: Path) -> None:
    found = cut(data, tmp_path, 2, megabytes=0.01)
    assert all(0.01 <= piece.megabytes < 0.012 for piece in found)


def test_a_piece_is_one_text_in_every_form(data: Path, tmp_path: Path) -> None:
    (piece,) = cut(data, tmp_path, 1, megabytes=1)
    lines = zstandard.ZstdDecompressor().decompress(piece.normal.read_bytes()).splitlines()
    normal = [orjson.loads(line)["text"] for line in lines]
    assert normal == [text.decode() for batch in piece.texts for text in batch]
    assert all("\r" not in text for text in normal)
    definition = TokenizersEncoder()
    ids = [row for batch in piece.texts for row in map(list, _rows(definition.encode(batch)))]
    shard = Shard.open(str(piece.stem))
    assert [list(shard.document(row))[:-1] for row in range(len(shard))] == ids
    assert piece.ids == sum(map(len, ids))


def _rows(tokens: Tokens) -> list[np.ndarray]:
    return np.split(tokens.ids, tokens.offsets[1:-1])


def test_records_that_no_reader_takes_are_left_out(tmp_path: Path) -> None:
    sound = orjson.dumps({"text": "a sound text"})
    write(tmp_path / "a.jsonl.zst", [b"{", b"{}", b'{"text": null}', b'{"text": "\\ud800"}', sound, b""])
    (piece,) = cut(tmp_path, tmp_path / "pieces", 1, megabytes=1)
    assert [text for batch in piece.records for text in batch] == [b"a sound text"]


def test_every_step_of_ours_does_all_of_its_piece(data: Path, tmp_path: Path) -> None:
    steps = kernel_steps.our_steps(RECIPE, ["tokenizers"])
    assert {step.part for step in steps} == set(kernel_steps.PARTS) - {kernel_steps.NEAR}
    for piece in cut(data, tmp_path, 2, megabytes=1):
        for step in steps:
            spent, made = step.run(piece)
            assert spent > 0
            assert not step.made_wrong(piece, made), step
            assert step.part == kernel_steps.LIMITS or step.made_wrong(piece, made - 1)


def test_the_first_piece_is_not_counted(data: Path, tmp_path: Path) -> None:
    met: list[tuple[str, Path]] = []

    def step(name: str, seconds: float, made: int) -> kernel_steps.Step:
        def run(piece: pieces.Piece) -> kernel_steps.Turn:
            met.append((name, piece.folder))
            return seconds * piece.megabytes * len(met), made

        return kernel_steps.Step(kernel_steps.READ, name, "ours", run)

    found = cut(data, tmp_path, 3, megabytes=1)
    a, b = kernels.in_turn([step("a", 1, found[0].documents), step("b", 2, 1)], found)
    assert met == [(name, piece.folder) for piece in found for name in "ab"]
    assert a.seconds == pytest.approx([3, 5])
    assert b.seconds == pytest.approx([8, 12])
    assert (a.other, b.other) == (0, 2)


def test_a_rate_and_a_ratio_are_medians_of_rounds() -> None:
    ours = kernels.Times(kernel_steps.BANDS, "ours", "ours", [0.5, 0.25, 1.0])
    theirs = kernels.Times(kernel_steps.BANDS, "theirs", "other", [1.0, 1.0, 1.0])
    assert ours.rate == 2
    assert theirs.ratio(ours) == 2
    once = kernels.Times(kernel_steps.BANDS, "once", "other", [2.0])
    assert once.ratio(ours) == 4


def test_the_table_says_who_takes_how_many_times_as_long(data: Path, tmp_path: Path) -> None:
    times = [
        kernels.Times(kernel_steps.LIMITS, "sha256", "limit", [0.001, 0.001]),
        kernels.Times(kernel_steps.ENCODE, "ours", "ours", [0.01, 0.01]),
        kernels.Times(kernel_steps.ENCODE, "theirs", "other", [0.04, 0.08], other=1),
    ]
    options = argparse.Namespace(data=data, peers="python")
    text = kernels.section(times, cut(data, tmp_path, 2, megabytes=1), options, {"numpy": "2"})
    assert "| limits | sha256 | 1,000 |  |" in text
    assert "| encode | ours | 100 | 1.0 |" in text
    assert "| encode | theirs (of another number in 1 of 2) | 16.7 | 6.0 |" in text
    assert "kernels.py --data DIR --peers`" in text
    assert text.rstrip().endswith("numpy 2.")


def test_a_peer_answers_in_turn(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl.zst", [orjson.dumps({"text": text}) for text in ("one", "two", "three")])
    script = tmp_path / "counts.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(BENCHMARKS / 'peers')!r})\n"
        "from turns import serve, texts_of\n"
        "serve({'letters': lambda path: lambda: sum(map(len, texts_of(path))),\n"
        "       'texts': lambda path: lambda: len(texts_of(path))}, ['numpy'])\n"
    )
    peer = Peer(sys.executable, str(script))
    assert peer.versions["numpy"] == np.__version__
    turns = [peer.turn(step, tmp_path / "a.jsonl.zst") for step in ("letters", "texts", "letters")]
    assert [made for _, made in turns] == [11, 3, 11]
    assert all(spent >= 0 for spent, _ in turns)
    peer.end()


def test_files_that_are_missing_are_made_of_those_there(data: Path, tmp_path: Path) -> None:
    given = sorted(data.glob("*.zst"))
    assert build.enough(given, 1, tmp_path) == given[:1]
    made = build.enough(given, 5, tmp_path)
    found: list[list[Texts]] = [[] for _ in made]
    for path, texts in zip(made, found, strict=True):
        pieces.read(path.parent, _pinned(path), RECIPE, texts.append)
    words = [sorted(b" ".join(text for batch in file for text in batch).split()) for file in found]
    assert len(made) == 5
    assert words[0] == words[2] == words[4]
    assert words[1] == words[3]
    assert len({b"".join(text for batch in file for text in batch) for file in found}) == 5


def _pinned(path: Path) -> Blob:
    packed = path.read_bytes()
    return Blob("bulk", path.name, len(packed), hashlib.sha256(packed).hexdigest())


def test_the_picture_has_a_bar_for_every_rate_and_its_length_is_its_logarithm() -> None:
    bars = [
        (kernel_steps.LIMITS, "memory copy", "limit", 10_000.0),
        (kernel_steps.READ, "ours", "ours", 100.0),
        (kernel_steps.READ, "<theirs>", "other", 1.0),
    ]
    drawn = ElementTree.fromstring(limits.picture(bars))
    space = "{http://www.w3.org/2000/svg}"
    rows = [mark for mark in drawn.iter(f"{space}rect") if mark.find(f"{space}title") is not None]
    assert [mark.get("class") for mark in rows] == ["limit", "ours", "other"]
    assert [float(mark.get("width") or -1) for mark in rows] == pytest.approx([460, 230, 0], abs=0.1)
    said = [mark.text for mark in drawn.iter(f"{space}text")]
    assert {"memory copy", "10,000", "ours", "100", "<theirs>", "1"} <= set(said)
    ends = [float(mark.get("x") or 0) for mark in rows]
    assert len(set(ends)) == 1
    assert drawn.get("width") == "800"
    assert not re.search(r"(href|url\()", limits.picture(bars))
