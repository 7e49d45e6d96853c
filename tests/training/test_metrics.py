"""The metrics file: kills, later attempts, full disks; and the line a person sees."""

from __future__ import annotations

import io
import resource
import signal
from pathlib import Path

import msgspec
import pytest

from corpus.errors import IntegrityError, StoreError
from training.live_line import LiveLine, live_line
from training.metrics import FILE, MetricsFile, StepRecord, read_metrics

RECORD = StepRecord(
    step=1,
    data_step=0,
    attempt=1,
    loss=10.5,
    learning_rate=1.5e-3,
    gradient_norm=0.25,
    parameter_norm=3.0,
    tokens=2048,
    seconds=0.5,
    tokens_per_second=4096.0,
    model_flops=10**15,
    hardware_flops=10**15,
    flops_6nd=9 * 10**14,
    mfu=None,
    hfu=None,
    memory_bytes=1 << 20,
    windows="0" * 64,
)


def record(step: int, attempt: int, loss: float = 1.0) -> StepRecord:
    return msgspec.structs.replace(RECORD, step=step, data_step=step - 1, attempt=attempt, loss=loss)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = [msgspec.structs.replace(record(step, 1, 1 / step), mfu=0.38) for step in range(1, 6)]
    with MetricsFile(str(tmp_path)) as metrics:
        for each in written:
            metrics.append(each)
    assert read_metrics(str(tmp_path)) == written
    assert read_metrics(str(tmp_path / "absent")) == []


def test_a_later_attempt_voids_what_it_goes_back_behind(tmp_path: Path) -> None:
    with MetricsFile(str(tmp_path)) as metrics:
        for step, attempt in [*((s, 1) for s in range(1, 8)), *((s, 2) for s in range(5, 7)), (5, 3)]:
            metrics.append(record(step, attempt))
    found = [(each.step, each.attempt) for each in read_metrics(str(tmp_path))]
    assert found == [(1, 1), (2, 1), (3, 1), (4, 1), (5, 3)]


def test_a_line_cut_short_is_no_record_and_spoils_none(tmp_path: Path) -> None:
    with MetricsFile(str(tmp_path)) as metrics:
        metrics.append(record(1, 1))
        metrics.append(record(2, 1))
    path = tmp_path / FILE
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        complete = whole[:end].count(b"\n")
        assert [each.step for each in read_metrics(str(tmp_path))] == [1, 2][:complete]
        with MetricsFile(str(tmp_path)) as metrics:
            metrics.append(record(3, 2))
        assert [each.step for each in read_metrics(str(tmp_path))] == [*[1, 2][:complete], 3]


@pytest.mark.parametrize("damaged", [b"{}", b'{"loss": "\xff"}', b"\x00"])
def test_damage_elsewhere_is_told_by_its_line(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / FILE).write_bytes(msgspec.json.encode(RECORD) + b"\n" + damaged + b"\n")
    with pytest.raises(IntegrityError) as caught:
        read_metrics(str(tmp_path))
    assert caught.value.where.endswith("metrics.jsonl, line 2")


def test_a_full_disk_is_said_in_three_lines(tmp_path: Path) -> None:
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (700, limits[1]))
    try:
        with pytest.raises(StoreError, match="File too large") as caught, MetricsFile(str(tmp_path)) as metrics:
            for step in range(1, 4):
                metrics.append(record(step, 1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert [each.step for each in read_metrics(str(tmp_path))] == [1]
    assert len(str(caught.value).splitlines()) == 3


def test_the_line_says_loss_rate_speed_place_and_time_left() -> None:
    line = live_line(msgspec.structs.replace(RECORD, step=1200, data_step=1499, mfu=0.381), 5000, 0.25, 1.0)
    assert line == (
        "step 1,200/5,000  loss 10.5000  lr 1.50e-03  norm 0.25  4,096 tokens/s  MFU 38.1%  "
        "data 1,499 (0.25 epochs)  1:03:20 left"
    )
    assert live_line(RECORD, 61, 0.0, 1.5).endswith("data 0 (0.00 epochs)  1:30 left")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_one_line_and_a_log_the_last() -> None:
    terminal, log = _Terminal(), io.StringIO()
    for stream in (terminal, log):
        line = LiveLine(3, windows=100, batch=10, stream=stream)
        for step in (1, 2, 3):
            line.show(record(step, 1))
        line.close()
    assert terminal.getvalue().count("\r") == 3 and terminal.getvalue().count("\n") == 1
    assert (
        log.getvalue().count("\n") == 1
        and log.getvalue().startswith("step 3/3")
        and "0.30 epochs" in log.getvalue()
    )
