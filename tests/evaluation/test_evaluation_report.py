"""The page of evaluations: what it says is what was measured, whoever named things, the same every time."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from small_results import CHOOSE, EXAM, LABEL, TASKS, choice, evaluate, sample, task

from evaluation.normalisation import NORMALISATIONS
from evaluation.pictures import sides_of
from evaluation.report import main, report
from evaluation.results import CheckpointEntry, Results, read_results
from evaluation.tally import ScoredTask, Tally, results_of

ROOT = Path(__file__).parents[2]
EVIL = "<script>alert(1)</script>\u202e"


class Elements(HTMLParser):
    """The elements of a page, and its words."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words += data.split()


def text_of(page: bytes) -> str:
    return " ".join(Elements(page).words)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three sizes, the largest first."""
    root = tmp_path_factory.mktemp("results")
    for name, skill, parameters in (("large", 0.7, 10**9), ("middle", 0.5, 10**8), ("small", 0.2, 10**7)):
        evaluate(root / name, name, skill, parameters=parameters)
    return [root / name for name in ("large", "middle", "small")]


def test_every_number_is_readable(folders: list[Path]) -> None:
    results = read_results(folders[0])
    text = text_of(report([results]))
    for one in results.scores:
        assert one.score is not None and one.standard_error is not None
        title = results.task(one.task).title
        assert f"{title} {one.shots} {float(one.score.value):.2f} {float(one.standard_error):.2f}" in text
        assert one.prompts in text and one.samples_sha256 in text
        columns = [f"{float(value):.2f}" if (value := one.columns[by]) else "-" for by in NORMALISATIONS]
        assert f"{title} {one.shots} {' '.join(columns)}" in text
    for source in results.perplexity:
        assert source.per_token is not None and f"{float(source.per_token.value):.3f}" in text
    for other in results.tasks:
        assert all(digest in text for digest in other.files.values())
    assert results.digest() in text and results.checkpoint.digest in text and "c" * 64 in text
    assert "2 malformed" in text and "StoryCloze, by request" in text and "3 windows too short" in text
    assert "27.0 examples fitted in the mean" in text and "drawn from the other rows" in text
    assert "33.7* of 125M" in text and "no, from memory" in text


def test_pictures_show_each_checkpoint_task_and_number_of_shots(folders: list[Path]) -> None:
    page = report([read_results(folder) for folder in folders]).decode()
    assert (
        page.index("<b>small") < page.index("<b>middle") < page.index("<b>large")
    )  # by size, however they were given
    by_shots, by_size = (page.split(f"<h2>{title}</h2>")[1].split("<h2")[0] for title in ("By shots", "By size"))
    for part in (by_shots, by_size):
        assert re.findall("<h3>(.*?)</h3>", part) == [
            "Average of the paper&#39;s tasks",
            *(of.title for of in TASKS),
        ]
    for cards in (by_shots, by_size):  # three checkpoints at three numbers of shots, of four tasks and the average
        dots = re.findall(r'class="c([0-2])"><title>', cards)
        assert [dots.count(str(colour)) for colour in range(3)] == [15, 15, 15]
    assert by_size.count('class="ring l3"><title>') == 2 and "OPT, published: 31.40" in by_size
    scores = page.split("<h2>Scores</h2>")[1].split("<details")[0]
    assert scores.count('class="threshold"') == 12 and re.findall("<h3>(.*?)</h3>", scores) == [
        "0 shots",
        "1 shot",
        "32 shots",
    ]
    assert "GPT-3, published: 41.00" in scores  # with as many shots


def test_one_checkpoint_at_one_number_of_shots(tmp_path: Path) -> None:
    page = report([evaluate(tmp_path / "a", tasks=(LABEL, EXAM), shots=(0,), averaged=("label", "copa"))])
    text = text_of(page)
    assert "By shots" not in text and "By size" not in text  # nothing to be joined, and nothing beside it
    assert "No average of the paper's tasks with 0 shots, without copa" in text


def test_what_is_above_chance_is_counted(tmp_path: Path) -> None:
    """An interval that holds chance is not above it."""
    tasks = (task("all", chance=50.0), task("none", chance=50.0), task("low", chance=99.0))
    right, wrong = [choice(-1.0), choice(-2.0)], [choice(-2.0), choice(-1.0)]
    runs = [
        ScoredTask(of, 0, [sample(str(n), answers) for n in range(9)], "samples/a.jsonl", "a" * 64, {}, {}, False)
        for of, answers in zip(tasks, (right, wrong, right), strict=True)
    ]
    plain = evaluate(tmp_path / "a", tasks=(), sources=())
    page = report([results_of(Tally(plain.checkpoint, plain.settings, tasks=runs))])
    assert "1 of 3 scores" in text_of(page)


def test_nothing_but_held_out_text_and_nothing_at_all(tmp_path: Path) -> None:
    text = text_of(report([evaluate(tmp_path / "a", tasks=())]))
    assert "Scores" not in text and "By size" not in text and "Perplexity" in text
    text = text_of(report([evaluate(tmp_path / "b", tasks=(), sources=(), corpus=None, missing={})]))
    assert "Perplexity" not in text and "Nothing: every row was read and scored" in text
    assert "lies above" not in text and "0 left out" in text


def test_a_task_of_which_nothing_was_scored(tmp_path: Path) -> None:
    text = text_of(report([evaluate(tmp_path / "a", tasks=(CHOOSE, LABEL), items=0)]))
    assert "nothing was measured" in text and "Choose 0 - - - 25.00 0 0 items" in text


def test_what_was_not_measured_alike_is_said(folders: list[Path], tmp_path: Path) -> None:
    results = [read_results(folder) for folder in folders]
    assert "not measured alike" not in text_of(report(results))
    other = evaluate(tmp_path / "a", "other", 0.5, items=50)
    text = text_of(report([*results, other]))
    assert "These were not measured alike" in text and "choose with 0 shots: other prompts or items" in text


def test_two_checkpoints_of_one_name_are_told_apart(tmp_path: Path) -> None:
    made: list[Results] = []
    for digest in ("1" * 64, "2" * 64):
        checkpoint = CheckpointEntry(name="tiny", digest=digest, parameters=10)
        made.append(evaluate(tmp_path / digest, checkpoint=checkpoint, tasks=(CHOOSE,), shots=(0,)))
    assert [side.name for side in sides_of(made)] == ["tiny 11111111", "tiny 22222222"]


def test_a_name_is_text_and_nothing_runs(tmp_path: Path) -> None:
    evil = task("evil", title=EVIL, prompt=EVIL)
    page = report([evaluate(tmp_path / "a", EVIL, tasks=(evil,), missing={EVIL: EVIL}, versions={EVIL: EVIL})])
    tags = Elements(page).tags
    assert not {"script", "img", "iframe", "link"} & set(tags) and tags.count("style") == 1
    assert "\\u{202e}" in page.decode() and "&lt;script&gt;" in page.decode() and "\u202e" not in page.decode()


def test_the_command_line(folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = report([read_results(folder) for folder in folders])
    line = [
        sys.executable,
        "evaluation/report.py",
        *map(str, reversed(folders)),
        "--out",
        str(tmp_path / "r.html"),
    ]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"report {tmp_path / 'r.html'}\n", "")
    assert (tmp_path / "r.html").read_bytes() == page
    assert main([str(folders[0])]) == 0
    assert (folders[0] / "report.html").read_bytes() == report([read_results(folders[0])])
    assert main([str(tmp_path)]) == 2
    assert main([str(folders[0]), "--out", str(tmp_path / "no" / "r.html")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 6


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
@pytest.mark.parametrize(("width", "dark"), [(1200, False), (420, True)])
def test_a_browser_draws_it(folders: list[Path], tmp_path: Path, width: int, dark: bool) -> None:
    path, picture = tmp_path / "r.html", tmp_path / "r.png"
    path.write_bytes(report([read_results(folder) for folder in folders]))
    line = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},2000"]
    line += ["--blink-settings=preferredColorScheme=0"] if dark else []
    subprocess.run(
        [*line, f"--screenshot={picture}", f"file://{path}"], capture_output=True, timeout=600, check=True
    )
    assert picture.stat().st_size > 20_000
