"""The page of a run: what it says is what was measured, whoever named things, and it is the same every time."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from small_corpus import ROOT, small_corpus

from corpus.manifest import read_ref
from training.attempts import begin_attempt
from training.config import RunConfig, load_run
from training.metrics import MetricsFile, StepRecord
from training.report import main, report, write_report

TINY = str(ROOT / "workflows" / "runs" / "tiny.toml")
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


def config(*sets: str) -> RunConfig:
    return load_run(TINY, ("steps=4000", "sequence=32", *sets))


def start(run_dir: Path, of: RunConfig) -> int:
    ref = small_corpus()
    host = {
        "device": EVIL,
        "mesh": [1, 2, 1],
        "threads": 1,
        "torch": "2",
        "started": 0,
        "command": ["python", "a b"],
    }
    return begin_attempt(str(run_dir), of, (ref, read_ref(ref)[1]), host)


def record(step: int, attempt: int, of: RunConfig) -> StepRecord:
    return StepRecord(
        step=step,
        data_step=step - 1,
        attempt=attempt,
        loss=2 + 8 / step + (5 if step == 777 else 0),
        learning_rate=1e-3,
        gradient_norm=1 / step,
        parameter_norm=9.0 + step,
        tokens=step * of.tokens_per_update,
        seconds=0.5,
        tokens_per_second=2048.0,
        model_flops=10**12,
        hardware_flops=2 * 10**12,
        flops_6nd=10**11,
        mfu=None,
        hfu=None,
        memory_bytes=10**9,
        windows=f"{step:064x}",
        validation={EVIL: 3.0, "beta": 2 + 1 / step} if step % 100 == 0 else {},
    )


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3,000 of 4,000 updates in two attempts, the second from update 1,501 on, with another rate."""
    folder = tmp_path_factory.mktemp("run")
    for sets, steps in (((), range(1, 2001)), (("optimisation.learning_rate=1e-3",), range(1501, 3001))):
        of = config(*sets)
        number = start(folder, of)
        with MetricsFile(str(folder)) as metrics:
            for step in steps:
                metrics.append(record(step, number, of))
    return folder


def test_it_says_what_was_measured(run_dir: Path) -> None:
    page = report(str(run_dir))
    text = " ".join(Elements(page).words)
    assert "3,000 of 4,000 updates" in text and "the run is not finished" in text
    assert "1 to 1,500" in text and "1,501 to 3,000" in text
    assert "optimisation.learning_rate: 0.008 → 0.001" in text
    assert f"sha256:{3000:064x}" in text and read_ref(small_corpus())[1] in text
    assert "3.000e+15" in text and "6.000e+15" in text and "3.000e+14" in text
    assert "beta 2.0100 2.0003 7.4" in text  # first loss, last loss, perplexity
    assert "python 'a b'" in text
    assert page.count(b'class="begin"') == 3  # the second attempt, in each of three pictures


def test_windows_and_epochs_are_counted_by_source(run_dir: Path) -> None:
    """The oracle draws every batch."""
    from corpus.mapped_corpus import MappedCorpus
    from corpus.window_order import WindowOrder
    from training.token_stream import TokenStream

    of = config()
    stream = TokenStream(MappedCorpus.open(small_corpus()), "train", of.sequence)
    order = WindowOrder(stream.windows, of.seed, of.batch, of.segment)
    text = " ".join(Elements(report(str(run_dir))).words)
    sources = [source for step in range(3000) for source in order.batch(step).source.tolist()]
    for number, (source, windows) in enumerate(stream.windows.items()):
        drawn = sources.count(number)
        assert f" {windows:,} {drawn:,} {drawn / windows:.3f}" in text.split(f" {source} ")[-1].join(["  ", ""])


def test_a_spike_that_is_averaged_away_is_in_the_band(run_dir: Path) -> None:
    page = report(str(run_dir)).decode()
    (ticks,) = re.findall(r">training loss, nats a token<(.*?)validation loss", page, re.DOTALL)
    assert 'class="band"' in page and len(page) < 500_000
    assert ticks  # the highest point of the band is update 1, at a loss of 10
    smooth = report(str(run_dir)).decode().count(" L ")
    assert smooth < 9000


def test_the_same_metrics_give_the_same_bytes_and_nothing_runs(run_dir: Path, tmp_path: Path) -> None:
    page = report(str(run_dir))
    assert main([str(run_dir), "--out", str(tmp_path / "r.html")]) == 0
    assert (tmp_path / "r.html").read_bytes() == page
    tags = Elements(page).tags
    assert not {"script", "img", "iframe", "link"} & set(tags) and tags.count("style") == 1
    assert "\\u{202e}" in page.decode() and "&lt;script&gt;" in page.decode()
    path = write_report(str(run_dir))
    assert path.read_bytes() == page and path.name == "report.html"


def test_a_run_of_nothing_and_a_corpus_that_is_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "there is no run here" in capsys.readouterr().err
    start(tmp_path, config())
    path = tmp_path / "attempts" / "0001.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "corpus": str(tmp_path / "refs/gone/1")}))
    text = " ".join(Elements(report(str(tmp_path))).words)
    assert "no update yet" in text and "nothing was measured" in text
    assert "was not at hand when this page was made" in text
    assert "gamma" in " ".join(Elements(report(str(tmp_path), small_corpus())).words)
    assert main([str(tmp_path), "--out", str(tmp_path / "no" / "r.html")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_a_finished_run_says_so(tmp_path: Path) -> None:
    of = msgspec.structs.replace(config(), steps=2)
    number = start(tmp_path, of)
    with MetricsFile(str(tmp_path)) as metrics:
        for step in (1, 2):
            metrics.append(record(step, number, of))
    text = " ".join(Elements(report(str(tmp_path))).words)
    assert "2 of 2 updates the run is finished" in text and "1 attempt listed" in text


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_a_browser_draws_it(run_dir: Path, tmp_path: Path, width: int, dark: bool) -> None:
    path, picture = tmp_path / "r.html", tmp_path / "r.png"
    path.write_bytes(report(str(run_dir)))
    line = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},2000"]
    line += ["--blink-settings=preferredColorScheme=0"] if dark else []
    subprocess.run(
        [*line, f"--screenshot={picture}", f"file://{path}"], capture_output=True, timeout=600, check=True
    )
    assert picture.stat().st_size > 20_000
