"""The entropy of frequencies, against Python's own counting of the same shards."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from small_corpus import shard_files, small_corpus

from corpus.mapped_corpus import MappedCorpus
from training.unigram_entropy import entropy, frequencies, main


def test_it_is_the_entropy_of_the_shards(capsys: pytest.CaptureFixture[str]) -> None:
    tokens: Counter[int] = Counter()
    for path in shard_files(small_corpus(), ".bin"):
        if "valid" not in path.name:
            tokens.update(np.fromfile(path, "<u2").tolist())
    total = tokens.total()
    expected = -sum(count / total * math.log(count / total) for count in tokens.values())
    counts = frequencies(MappedCorpus.open(small_corpus()))
    assert counts.sum() == total
    assert entropy(counts) == pytest.approx(expected, rel=1e-12)
    assert main([small_corpus()]) == 0
    assert (
        capsys.readouterr().out
        == f"unigram entropy  {expected:.4f} nats a token, of {total:,} tokens to train on\n"
    )


def test_of_equal_counts_it_is_the_logarithm_of_their_number() -> None:
    assert entropy(np.array([3, 0, 3, 3, 3])) == pytest.approx(math.log(4))


@pytest.mark.parametrize(
    ("losses", "said"), [([9.0] * 18 + [1.0, 2.0], "below"), ([1.0] * 18 + [9.0, 8.0], "above")]
)
def test_a_run_is_compared_by_its_last_tenth(
    losses: list[float], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = dict.fromkeys(
        ["data_step", "attempt", "learning_rate", "gradient_norm", "parameter_norm", "tokens", "seconds"], 1
    )
    fields |= dict.fromkeys(["tokens_per_second", "model_flops", "hardware_flops", "flops_6nd", "memory_bytes"], 1)
    lines = [
        str({**fields, "step": step, "loss": loss, "windows": "00"}).replace("'", '"')[:-1]
        + ', "mfu": null, "hfu": null}'
        for step, loss in enumerate(losses, start=1)
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    assert main([small_corpus(), str(tmp_path)]) == 0
    mean = sum(losses[-2:]) / 2
    assert f"{mean:.4f} nats a token, of the last 2 updates" in capsys.readouterr().out.replace(
        "loss             ", ""
    )
    assert main([small_corpus(), str(tmp_path)]) == 0 and said in capsys.readouterr().out
    assert main([small_corpus(), str(tmp_path / "absent")]) == 2
