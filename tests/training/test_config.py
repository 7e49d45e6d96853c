"""The files of runs against OPT's tables, typed in anew, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpus.errors import RecipeError
from training.config import MeshConfig, load_run
from training.flops import flops_6nd, hardware_flops, model_flops, peak_flops
from training.schedule import learning_rate

RUNS = Path(__file__).parents[2] / "workflows" / "runs"

# N as transformers' OPTForCausalLM counts it on the meta device; L, H, D, peak rate, millions of tokens a batch.
OPT = {
    "125m": (125_239_296, 12, 12, 768, 6e-4, 0.5),
    "350m": (331_196_416, 24, 16, 1024, 3e-4, 0.5),
    "1.3b": (1_315_758_080, 24, 32, 2048, 2e-4, 1),
    "2.7b": (2_651_596_800, 32, 32, 2560, 1.6e-4, 1),
    "6.7b": (6_658_473_984, 32, 32, 4096, 1.2e-4, 2),
    "13b": (12_853_473_280, 40, 40, 5120, 1e-4, 4),
    "30b": (29_974_540_288, 48, 56, 7168, 1e-4, 4),
    "66b": (65_719_701_504, 64, 72, 9216, 0.8e-4, 2),
    "175b": (174_604_468_224, 96, 96, 12288, 1.2e-4, 2),
}


@pytest.mark.parametrize("size", OPT)
def test_the_nine_sizes_are_opts(size: str) -> None:
    config = load_run(str(RUNS / f"opt-{size}.toml"))
    parameters, layers, heads, width, rate, millions = OPT[size]
    model = config.model
    assert (model.parameters, model.layers, model.heads, model.width) == (parameters, layers, heads, width)
    assert model.feed_forward == 4 * width
    assert config.optimisation.learning_rate == rate
    assert config.tokens_per_update == millions * 1024**2
    assert config.steps == int(300e9 // config.tokens_per_update)
    assert (model.dropout, config.optimisation.clip, config.optimisation.betas) == (0.1, 1.0, (0.9, 0.95))


def test_every_file_of_a_run_is_one_of_these_or_tiny() -> None:
    assert {path.name for path in RUNS.glob("*.toml")} == {f"opt-{size}.toml" for size in OPT} | {"tiny.toml"}
    assert load_run(str(RUNS / "tiny.toml"), ("steps=30", "model.dropout=0")).steps == 30


def test_the_175b_takes_the_flops_its_paper_says() -> None:
    """4.30e23 with every layer run forward twice; at 147 TFLOP/s on 1,024 GPUs, 33.1 days."""
    config = load_run(str(RUNS / "opt-175b.toml"))
    tokens = 300_000_000_000
    run = hardware_flops(config.model, tokens, config.sequence, recompute=True)
    assert run == pytest.approx(4.30e23, rel=1e-3)
    assert run / 147e12 / 1024 / 86400 == pytest.approx(33.1, abs=0.05)
    assert run / 147e12 / 992 / 86400 == pytest.approx(34.1, abs=0.05)
    assert model_flops(config.model, tokens, config.sequence) == pytest.approx(3.229e23, rel=1e-3)
    assert hardware_flops(config.model, tokens, config.sequence, recompute=False) == model_flops(
        config.model, tokens, config.sequence
    )
    assert flops_6nd(config.model, tokens) == pytest.approx(3.143e23, rel=1e-3)


def test_peaks_go_by_the_devices_name() -> None:
    assert (peak_flops("NVIDIA H200"), peak_flops("NVIDIA A100-SXM4-80GB")) == (989e12, 312e12)
    assert peak_flops("cpu") is None


def test_the_learning_rate_rises_and_falls_in_lines() -> None:
    config = load_run(str(RUNS / "opt-125m.toml"))
    peak, tokens = 6e-4, config.tokens_per_update
    rates = [learning_rate(config.optimisation, update * tokens) for update in (1, 358, 715, 716)]
    assert rates[:2] == pytest.approx([peak * tokens / 375e6, peak * 358 * tokens / 375e6])
    assert rates[2] < peak > rates[3] > rates[1]
    assert learning_rate(config.optimisation, 375_000_000) == peak
    assert learning_rate(config.optimisation, (375_000_000 + 300_000_000_000) // 2) == pytest.approx(peak * 0.55)
    assert learning_rate(config.optimisation, 300_000_000_000) == pytest.approx(peak / 10)
    assert learning_rate(config.optimisation, 10**12) == pytest.approx(peak / 10)


@pytest.mark.parametrize(
    ("override", "what", "remedy"),
    [
        ("stepz=3", "unknown key `stepz`", "did you mean `steps`?"),
        ("model.heads=5", "does not divide into 5 heads", "multiple of the heads"),
        ("model.width=66", "not by 4", "of 4"),
        ("sequence=4096", "longer than the 2048 positions", "shorter"),
        ("steps=0", "steps is 0", "above 0"),
        ("steps=many", "a value of the run is wrong", "workflows/runs/README.md"),
        ("micro_batch=-1", "micro_batch is -1", "0 or more"),
        ("model.dropout=1", "model.dropout is 1", "below 1"),
        ("optimisation.warmup_tokens=300000000000", "rise for longer", "decay_tokens"),
        ("precision.master=false", "without an fp32 master", "keep master = true"),
        ("mesh.tp=5", "model.heads, 12, does not divide by the 5", "a mesh.tp that divides"),
        ("mesh.tp=0", "mesh.tp is 0", "above 0"),
        ("mesh.shard=-1", "mesh.shard is -1", "0 or more"),
        ("mesh.backend=megatron", "a value of the run is wrong", "workflows/runs/README.md"),
        ("model.layers.deep=1", "holds no table", "dots between"),
    ],
)
def test_a_wrong_run_is_refused_in_three_lines(override: str, what: str, remedy: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load_run(str(RUNS / "opt-125m.toml"), (override,))
    error = caught.value
    assert what in error.what and remedy in error.remedy and error.exit_code == 2
    assert len(str(error).splitlines()) == 3


def test_the_digest_is_of_every_key(tmp_path: Path) -> None:
    path = str(RUNS / "tiny.toml")
    plain = load_run(path)
    assert load_run(path, ("seed=1", "precision.master=true")).digest() == plain.digest()
    assert load_run(path, ("segment=[{update=0, skip=1}]",)).digest() != plain.digest()
    with pytest.raises(RecipeError, match="no such run"):
        load_run(str(tmp_path / "absent.toml"))


def test_a_mesh_takes_the_processes_that_are_left() -> None:
    assert MeshConfig().sizes(1) == (1, 1, 1)
    assert MeshConfig(replicate=2, tp=8).sizes(1024) == (2, 64, 8)
    assert MeshConfig(replicate=2, shard=3, tp=2).sizes(12) == (2, 3, 2)
    for mesh, world in ((MeshConfig(tp=8), 4), (MeshConfig(tp=2), 3), (MeshConfig(shard=2), 4)):
        with pytest.raises(RecipeError, match=f"cannot be made of {world} processes"):
            mesh.sizes(world)


def test_positions_need_not_divide_where_they_are_not_shared() -> None:
    odd = ("sequence=2046", "mesh.tp=4")
    with pytest.raises(RecipeError, match=r"sequence, 2,046, does not divide by the 4"):
        load_run(str(RUNS / "opt-125m.toml"), odd)
    assert load_run(str(RUNS / "opt-125m.toml"), (*odd, "mesh.backend=fairscale")).mesh.tp == 4
