"""The benchmark of readers: both sides read the same bytes, and its files are as their sources write them."""

import gzip
import io
import json
import sys
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator

WORKFLOWS = Path(__file__).parents[2] / "workflows"

sys.path[:0] = [str(WORKFLOWS / "benchmarks"), str(WORKFLOWS / "soak")]
import readers  # noqa: E402
import specimens  # noqa: E402
from parsers import PARSERS  # noqa: E402

del sys.path[:2]

STREAMS = specimens.streams()


@pytest.mark.parametrize("name", PARSERS)
def test_both_sides_read_a_sound_file(name: str) -> None:
    reader = "cc-news" if name == "WARC framing" else name.partition(", ")[0]
    times = readers.beside_parser(name, [STREAMS[reader][-1]], PARSERS[name], rounds=3)
    assert (times.name, len(times.ours), len(times.other)) == (name, 3, 3)
    assert times.megabytes == len(STREAMS[reader][-1]) / 1e6


def test_a_ratio_is_the_median_of_each_round_s() -> None:
    times = readers.Times("x", 10.0, [2.0, 4.0, 9.0], [1.0, 4.0, 3.0], "y")
    assert times.row() == ["x", 10.0, 2.5, "y", 10 / 3, 2.0]


def test_files_are_read_again_up_to_a_size(tmp_path: Path) -> None:
    (tmp_path / "news-please").mkdir()
    (tmp_path / "news-please" / "articles.jsonl.gz").write_bytes(gzip.compress(b"{}\n" * 100))
    (stream,) = readers.streams_of(tmp_path, "news-please-lines", megabytes=0.001)
    assert stream == b"{}\n" * 400
    assert readers.streams_of(tmp_path, "wikipedia", megabytes=1) == []


def test_texts_as_wet_and_as_a_table_are_the_same_texts(tmp_path: Path) -> None:
    texts = ["one", "zwölf", "", "x" * 3000]
    theirs = [
        one.reader.read().decode()
        for one in ArchiveIterator(io.BytesIO(readers.as_wet([t.encode() for t in texts])))
    ]
    assert theirs == texts
    path = tmp_path / "a.parquet"
    path.write_bytes(readers.as_table(texts))
    assert readers.rows_of(path) == len(texts)
    (tmp_path / "a.wet").write_bytes(readers.as_wet([text.encode() for text in texts]))
    assert readers.documents_of("wet", tmp_path / "a.wet") == len(texts)


def test_lines_that_not_every_parser_reads_are_left_out() -> None:
    sound = json.dumps({"text": "a"}).encode()
    spoilt = [b"", b"{", b"{}", b'{"text": null}', b'{"text": "\\ud800"}']
    assert readers.sound_lines([b"\n".join([sound, *spoilt]), sound]) == [sound, sound]
