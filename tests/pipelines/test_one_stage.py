"""`--stage` brings one stage to its seal; `--log-format json` says so a line of JSON at a time."""

from __future__ import annotations

import json
from pathlib import Path

from tiny_corpus import Tiny, command


def _run(tiny: Tiny, store: Path, *more: str, log: str = "json") -> tuple[int, str, list[dict[str, object]]]:
    """The exit code, what it printed, and each line of its log."""
    line = ["--recipe", tiny.recipe, "--data", tiny.data, "--out", store, "--workers", "1", "--log-format", log]
    done = command("build_corpus.py", *line, *more)
    return done.returncode, done.stdout, [json.loads(each) for each in done.stderr.splitlines()]


def test_stage_by_stage_gives_the_same_corpus(tiny: Tiny, tmp_path: Path) -> None:
    store = tmp_path / "store"
    code, printed, log = _run(tiny, store, "--stage", "pin")
    assert (code, [each["event"] for each in log]) == (0, ["sealed"])
    assert printed.startswith(f"stage pin is sealed: {store}")
    assert [path.name for path in (store / "stages").iterdir()] == ["pin"]

    code, printed, log = _run(tiny, store, "--stage", "exact")
    assert (code, printed) == (2, "")
    assert log[-1]["severity"] == "ERROR"
    assert log[-1]["where"] == "--stage exact"
    assert str(log[-1]["remedy"]).startswith("run --stage ")

    code, _, log = _run(tiny, store, "--stage", "documents")
    assert (code, [each["event"] for each in log]) == (0, ["reused", "sealed"])
    code, printed, log = _run(tiny, store)
    assert [(each["stage"], each["event"]) for each in log[:3]][:2] == [("pin", "reused"), ("documents", "reused")]
    assert (code, printed.splitlines()[-1]) == (0, f"sealed tiny@1.0.0 sha256:{tiny.digest}")


def test_a_stage_that_only_lacks_its_seal_is_sealed_on_the_way(tiny: Tiny, tmp_path: Path) -> None:
    """Its tasks ran where nobody waited for them: the markers are there, the seal is not."""
    store = tmp_path / "store"
    assert _run(tiny, store, "--stage", "pin")[0] == 0
    (seal,) = (store / "stages" / "pin").glob("*/stage.json")
    body = json.loads(seal.read_bytes())
    tasks = {part["name"].rpartition("-")[0]: part for part in body["parts"]}
    (seal.parent / "done").mkdir()
    for task, part in tasks.items():
        marker = {"parts": [part], "counts": body["counts"], "cpu_seconds": 0.0}
        (seal.parent / "done" / f"{task}.json").write_text(json.dumps(marker))
    before = seal.read_bytes()
    seal.unlink()
    code, _, log = _run(tiny, store, "--stage", "documents")
    assert (code, [(each["stage"], each["event"]) for each in log]) == (
        0,
        [("pin", "resumed"), ("pin", "sealed"), ("documents", "sealed")],
    )
    assert seal.read_bytes() == before


def test_a_stage_that_no_corpus_has_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert _run(tiny, store)[0] == 0
    code, _, log = _run(tiny, store, "--stage", "nonsense")
    assert code == 2
    assert log[-1]["message"] == "this corpus has no such stage"
    assert "pin, documents" in str(log[-1]["remedy"])


def test_every_line_of_the_log_can_be_searched(tiny: Tiny, tmp_path: Path) -> None:
    code, _, log = _run(tiny, tmp_path / "store")
    assert code == 0
    assert all({"severity", "message", "time", "stage", "event"} <= each.keys() for each in log)
    documents = next(each for each in log if each["stage"] == "documents")
    assert (documents["severity"], documents["event"]) == ("INFO", "sealed")
    assert int(str(documents["rows"])) > 0
    assert [each["stage"] for each in log][-1] == "shards"
