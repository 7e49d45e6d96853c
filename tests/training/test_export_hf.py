"""From a run's folder to transformers: the model that was trained is the model that is read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_corpus import ROOT, small_corpus

from training import generate, run
from training.export_hf import main
from training.hugging_face import load_model

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = str(tmp_path_factory.mktemp("run"))
    config = str(ROOT / "workflows/runs/tiny.toml")
    line = [
        "--config",
        config,
        "--corpus",
        small_corpus(),
        "--run-dir",
        folder,
        "--device",
        "cpu",
        "--verify",
        "off",
    ]
    sets = ["steps=3", "batch=2", "sequence=32", "model.width=16", "model.feed_forward=32", "validation.every=0"]
    assert run.main([*line, *(word for each in sets for word in ("--set", each))]) == 0
    return folder


def test_a_checkpoint_is_read_by_transformers(
    run_dir: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "exported")
    assert main([run_dir, "--out", out]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"exported step 3 to {out}"
    theirs, ours = transformers.OPTForCausalLM.from_pretrained(out).eval(), load_model(out)
    token_BT = torch.arange(1, 31)[None]
    with torch.no_grad():
        expected = theirs(token_BT).logits
        assert expected.std() > 0.01  # three updates at a high rate
        assert (ours(token_BT) - expected).abs().max() <= 1e-5
    assert generate.main([out, "--prompt", "Page", "--tokens", "4"]) == 0
    assert capsys.readouterr().out.startswith("Page")


def test_half_of_the_bits_is_half_of_the_bytes(run_dir: str, tmp_path: Path) -> None:
    sizes = []
    for dtype in ("float32", "bfloat16"):
        assert main([run_dir, "--out", str(tmp_path / dtype), "--dtype", dtype]) == 0
        sizes.append((tmp_path / dtype / "model.safetensors").stat().st_size)
    assert sizes[0] == pytest.approx(2 * sizes[1], rel=0.02)


def test_mistakes_are_three_lines(run_dir: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for line, what in (
        ([str(tmp_path), "--out", str(tmp_path / "x")], "there is no checkpoint"),
        ([run_dir, "--out", run_dir], "there is something already"),
    ):
        assert main(line) == 2
        said = capsys.readouterr().err
        assert what in said and len(said.splitlines()) == 3
