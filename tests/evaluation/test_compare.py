"""Two evaluations, item by item: what differs is found, and what was not measured alike is not compared."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from small_results import CHOOSE, LABEL, READING, TASKS, evaluate, task

from evaluation.compare import compare, main
from evaluation.normalisation import chosen
from evaluation.paired_test import mcnemar
from evaluation.results import CorpusEntry, SettingsEntry, read_results
from evaluation.sample_file import read_samples

ROOT = Path(__file__).parents[2]
BOTH = (CHOOSE, READING)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("results")
    evaluate(folder / "a", "first", 0.1, BOTH, (0, 32))
    evaluate(folder / "b", "second", 0.5, BOTH, (0, 32), parameters=350_000_000)
    return folder / "a", folder / "b"


def test_every_number_against_the_samples(pair: tuple[Path, Path]) -> None:
    """The oracle reads the samples itself."""
    found = compare(*pair)
    assert not found.unlike and [(one.task, one.shots) for one in found.tasks] == [
        (of.title, shots) for of in BOTH for shots in (0, 32)
    ]
    for one, of in zip(found.tasks, (CHOOSE, CHOOSE, READING, READING), strict=True):
        sides = []
        for folder in pair:
            samples, _ = read_samples(folder / f"samples/{of.name}-{one.shots}.jsonl", of.name, one.shots)
            units: dict[str, list[bool]] = {}
            for line in samples:
                right = chosen(line, of.judged_by) in line.right
                units.setdefault(line.question or line.key, []).append(right)
            sides.append({unit: all(rights) for unit, rights in units.items()})
        a, b = sides
        assert one.units == len(a) == len(b)
        assert one.only_first == sum(a[unit] > b[unit] for unit in a)
        assert one.only_second == sum(a[unit] < b[unit] for unit in a)
        assert one.second - one.first == pytest.approx(100 * (one.only_second - one.only_first) / one.units)
        assert one.interval.low < one.second - one.first < one.interval.high
        assert one.probability == mcnemar(one.only_first, one.only_second)
    assert all(a >= one.probability for a, one in zip(found.corrected, found.tasks, strict=True))


GOLDEN = """\
A  first, 11,200,000 parameters, sha256:a7937b64b8caa58f
B  second, 350,000,000 parameters, sha256:16367aacb67a4a01

task     shots   n      A      B   B - A      95% interval  A alone  B alone       p  p, Holm
-------  -----  --  -----  -----  ------  ----------------  -------  -------  ------  -------
Choose       0  60  31.67  63.33  +31.67  +14.47 to +46.82        6       25  0.0009   0.0026
Choose      32  60  38.33  70.00  +31.67  +15.76 to +45.53        4       23  0.0003   0.0012
Reading      0  20  40.00  30.00  -10.00  -43.39 to +25.20        8        6  0.7905   0.7905
Reading     32  20  10.00  40.00  +30.00   +0.01 to +54.53        2        8  0.1094   0.2188
p: McNemar's exact test, of few items stricter than the interval; then Holm's correction over 4 tests

held out, per token       A      95% interval       B      95% interval
-------------------  ------  ----------------  ------  ----------------
prose                17.604  15.835 to 19.569  11.852  10.818 to 12.984
web                  54.817  43.380 to 67.491  36.355  29.469 to 43.816
"""


def test_the_transcript(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(list(map(str, pair))) == 0
    assert capsys.readouterr().out == GOLDEN


def test_a_checkpoint_is_no_better_than_itself(pair: tuple[Path, Path]) -> None:
    found = compare(pair[0], pair[0])
    assert {(one.only_first, one.only_second, one.probability) for one in found.tasks} == {(0, 0, 1.0)}


def settings(**changed: object) -> SettingsEntry:
    plain = {"shots": (0,), "preamble": "drawn", "begins_with": 2, "window": 2048, "stride": 1024}
    return SettingsEntry(**{**plain, "limit": None, "seed": 1, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings_changed", "words"),
    [
        ({"begins_with": None}, "begins_with is 2 and none"),
        ({"window": 1024}, "window is 2048 and 1024"),
        ({"preamble": "fixed"}, "preamble is drawn and fixed"),
        ({"limit": 20}, "limit is none and 20"),
        ({"seed": 2}, "seed is 1 and 2"),
    ],
)
def test_other_settings_are_refused(
    pair: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    settings_changed: dict[str, object],
    words: str,
) -> None:
    evaluate(tmp_path / "c", "third", 0.5, BOTH, (0,), settings=settings(**settings_changed))
    assert main([str(pair[0]), str(tmp_path / "c")]) == 1
    error = capsys.readouterr().err
    assert words in error and "--anyway" in error and len(error.splitlines()) == 3
    assert main([str(pair[0]), str(tmp_path / "c"), "--anyway"]) == 0
    assert f"not alike: {words}" in capsys.readouterr().out


def test_what_only_one_was_asked_for_is_no_difference(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """More shots, more tasks, and held-out text."""
    evaluate(tmp_path / "c", "third", 0.5, TASKS, (0,), settings=settings(stride=None), sources=())
    found = compare(pair[0], tmp_path / "c")
    assert not found.unlike and [(one.task, one.shots) for one in found.tasks] == [("Choose", 0), ("Reading", 0)]
    assert not found.perplexity


def test_other_prompts_data_and_rules_are_named(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = task("choose", folder="other", judged_by="sum")
    evaluate(tmp_path / "c", "third", 0.5, (other,), (0,), items=50)
    data = (tmp_path / "c" / "results.json").read_bytes()
    sha256 = read_results(tmp_path / "c").tasks[0].files["other/validation.jsonl"]
    assert main([str(pair[0]), str(tmp_path / "c")]) == 1
    error = capsys.readouterr().err
    assert "choose: judged by token of each item and sum of each item" in error
    assert "choose with 0 shots: other prompts or items" in error and "other data" not in error
    found = compare(pair[0], tmp_path / "c", anyway=True)
    assert [one.units for one in found.tasks] == [50]  # those that both have
    (tmp_path / "c" / "results.json").write_bytes(data.replace(sha256.encode(), b"0" * 64))
    assert main([str(pair[0]), str(tmp_path / "c")]) == 1
    assert "choose: other data" in capsys.readouterr().err


def test_nothing_in_common(pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = CorpusEntry(ref="build/refs/other/1", digest="d" * 64)
    evaluate(tmp_path / "c", "third", 0.5, (LABEL,), (0,), corpus=corpus)
    assert main([str(pair[0]), str(tmp_path / "c")]) == 2
    assert "no task with as many shots in common" in capsys.readouterr().err
    evaluate(tmp_path / "d", "fourth", 0.5, (CHOOSE,), (0,), corpus=corpus)
    assert main([str(pair[0]), str(tmp_path / "d")]) == 0
    assert "perplexity is not compared" in capsys.readouterr().out
    assert main([str(pair[0]), str(tmp_path / "nowhere")]) == 2


def test_samples_that_were_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(tmp_path / "a", "first", 0.5, (CHOOSE,), (0,))
    samples, results = tmp_path / "a" / "samples" / "choose-0.jsonl", tmp_path / "a" / "results.json"
    data = samples.read_bytes()
    samples.write_bytes(data.replace(b'"greedy":false', b'"greedy":true', 1))
    assert main([str(tmp_path / "a")] * 2) == 1
    assert "not those that the results were made of" in capsys.readouterr().err
    samples.write_bytes(data)
    entry = read_results(tmp_path / "a").scores[0]
    assert entry.score is not None
    results.write_bytes(results.read_bytes().replace(entry.score.value.encode(), b"99.000000"))
    assert main([str(tmp_path / "a")] * 2) == 1
    assert "the score is not that of its samples" in capsys.readouterr().err


def test_it_runs_as_a_script(pair: tuple[Path, Path]) -> None:
    line = [sys.executable, "evaluation/compare.py", *map(str, pair)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, GOLDEN, "")
