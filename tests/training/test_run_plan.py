"""Plans: OPT-175B's as printed, memory against what the model keeps, and what is said where it does not fit."""

from __future__ import annotations

import shlex
from pathlib import Path

import msgspec
import pytest
import torch

from corpus.errors import RecipeError
from training.config import ModelShape, RunConfig, load_run
from training.hardware import TABLES, HardwareTables, load_hardware
from training.initialise import initialise
from training.memory import memory
from training.model import Opt
from training.optimiser import build_optimiser
from training.plan import Plan
from training.residual_dropout import DropoutKeys
from training.run import main

RUNS = Path(__file__).parents[2] / "workflows" / "runs"
BIG = str(RUNS / "opt-175b.toml")
AS_OPT = ("mesh.tp=8", "mesh.shard=128", "mesh.recompute=true")

GOLDEN = """\
run           opt-175b, 174,604,468,224 parameters
devices       1,024 x NVIDIA A100 SXM, 80 GB: mesh 1 x 128 x 8
steps         143,051 of 2,097,152 tokens, 3.000e+11 in all

memory        of each device, of 72.0 GB that a run may count on
  parameters  682.0 MB
  gradients   682.0 MB
  optimiser   1.4 GB
  gathered    1.1 GB, weights in bf16
  activations 5.5 GB, of 8 sequences at once, the inputs of layers alone
  loss        763.0 MB, a chunk of logits
  in all      10.0 GB

work          4.30e+23 hardware FLOPs, 3.23e+23 model FLOPs, 6ND 3.14e+23
time          33.1 days at 147 TFLOP/s a device, 47.1% of its peak
energy        3.577e+05 kWh
money         3,332,828.37 USD, 8.129e+05 device-hours

hardware      a100-80, 2026-11-21, from memory: memory_gb, watts, hour; \
https://www.nvidia.com/en-us/data-center/a100/; https://arxiv.org/abs/2205.01068
not in it     restarts (OPT-175B ran for 33 days of the 56 it took), validation, checkpoints, idle devices
"""


def command(config: str, *sets: str) -> list[str]:
    return ["--config", config, *(word for each in sets for word in ("--set", each))]


def test_the_plan_of_the_175b(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command(BIG, *AS_OPT), "--plan", "a100-80"]) == 0
    assert capsys.readouterr().out == GOLDEN


@pytest.mark.parametrize(
    ("name", "sets", "remedy"),
    [
        ("opt-175b", ("mesh.tp=8",), "--set mesh.shard="),
        ("opt-175b", ("mesh.tp=8", "mesh.shard=16"), "--set micro_batch=4"),
        ("opt-1.3b", (), "--set micro_batch=16"),
        ("opt-66b", ("mesh.tp=8", "micro_batch=1"), "--set mesh.shard=2"),
    ],
)
def test_what_does_not_fit_is_refused_and_what_is_advised_fits(
    name: str, sets: tuple[str, ...], remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(RUNS / f"{name}.toml")
    assert main([*command(path, *sets), "--plan", "a100-80"]) == 2
    what, where, advice = capsys.readouterr().err.splitlines()
    assert "the run does not fit: a device would hold" in what and where.endswith("x a100-80")
    assert remedy in advice
    words = shlex.split(advice.removeprefix("   do: ").partition(" fits, in ")[0])
    assert main([*command(path, *sets), *words, "--plan", "a100-80"]) == 0


def test_what_no_number_of_devices_holds_is_said() -> None:
    config = load_run(BIG)
    small = msgspec.structs.replace(load_hardware("a100-80"), memory_gb=1)
    with pytest.raises(RecipeError) as caught:
        Plan.of(config, small).check()
    assert "take another device" in caught.value.remedy and len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (["--plan", "abacus"], "no hardware is called abacus"),
        (["--plan", "h100", "--devices", "7", "--set", "mesh.tp=2"], "cannot be made of 7 processes"),
        (["--plan", "h100", "--set", "mesh.shard=3"], "the batch does not divide"),
        (["--plan", "h100", "--hardware", "absent.toml"], "no such file of hardware"),
    ],
)
def test_a_mistake_is_three_lines(more: list[str], what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", BIG, *more]) == 2
    said = capsys.readouterr().err
    assert what in said and len(said.splitlines()) == 3


def test_a_run_needs_a_corpus_and_a_plan_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--config", BIG])
    assert "--plan" in capsys.readouterr().err


def test_every_figure_of_hardware_has_a_source() -> None:
    tables = msgspec.toml.decode(TABLES.read_bytes(), type=HardwareTables).hardware
    assert [table.name for table in tables] == ["a100-80", "h100", "h200", "cpu-core"]
    for table in tables:
        assert table.pages and set(table.unverified) <= set(table.__struct_fields__)
        assert table.achieved_tflops < table.peak_tflops
    assert load_hardware("a100-80").achieved_tflops == 147


def kept(shape: ModelShape, dtype: torch.dtype, sequences: int, sequence: int) -> int:
    """Bytes that the layers really keep for their gradients: what autograd saves, each storage once."""
    model = Opt(shape, dtype)
    initialise(model, shape, seed=1)
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    found: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    samples, positions = torch.arange(sequences), torch.arange(sequence)
    keys = DropoutKeys.of(1, 0, shape.layers, samples, positions) if shape.dropout else None
    token_BT = torch.zeros(sequences, sequence, dtype=torch.int64)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = model(token_BT, token_BT, keys)
    del loss
    return sum(found.values())


@pytest.mark.parametrize(
    ("attention", "dropout", "compute"),
    [("fused", 0.0, "fp32"), ("eager", 0.0, "fp32"), ("eager", 0.1, "fp32"), ("fused", 0.0, "bf16")],
)
def test_activations_are_what_autograd_keeps(attention: str, dropout: float, compute: str) -> None:
    """Of a layer: what four keep less what two do. Kernels that draw dropout keep less than a CPU's: not tried."""
    config = load_run(str(RUNS / "tiny.toml"), (f"precision.compute={compute}", "batch=3", "sequence=32"))
    shape = msgspec.structs.replace(
        config.model, attention=attention, dropout=dropout, attention_dropout=dropout, vocabulary=64
    )
    dtype = torch.bfloat16 if compute == "bf16" else torch.float32
    few, many = (msgspec.structs.replace(shape, layers=layers) for layers in (2, 4))
    measured = kept(many, dtype, 3, 32) - kept(few, dtype, 3, 32)
    planned = [memory(msgspec.structs.replace(config, model=each), 1) for each in (few, many)]
    expected = planned[1].activations - planned[0].activations + planned[1].gathered - planned[0].gathered
    assert measured == pytest.approx(expected, rel=0.02)


def test_weights_gradients_and_moments_are_counted_to_the_byte() -> None:
    config = load_run(str(RUNS / "tiny.toml"))
    model = Opt(config.model)
    optimiser = build_optimiser(model.parameters(), config.optimisation)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    moments = [each for state in optimiser.state.values() for name, each in state.items() if name != "step"]
    planned = memory(config, 1)
    assert planned.parameters == planned.gradients == sum(each.nbytes for each in model.parameters())
    assert planned.optimiser == sum(each.nbytes for each in moments)


def test_more_shards_and_tensor_parallelism_take_less() -> None:
    config = load_run(BIG, AS_OPT)
    one, twice = (memory(_meshed(shard), shard * 8) for shard in (64, 128))
    assert one.parameters == pytest.approx(2 * twice.parameters, rel=1e-6)
    assert one.activations == 2 * twice.activations and one.gathered == twice.gathered
    kept_all = memory(
        msgspec.structs.replace(config, mesh=msgspec.structs.replace(config.mesh, recompute=False)), 1024
    )
    assert kept_all.activations > 5 * memory(config, 1024).activations
    opts_day = msgspec.structs.replace(config, mesh=msgspec.structs.replace(config.mesh, backend="fairscale"))
    assert memory(opts_day, 1024).activations > 5 * memory(config, 1024).activations


def _meshed(shard: int) -> RunConfig:
    return load_run(BIG, ("mesh.tp=8", f"mesh.shard={shard}", "mesh.recompute=true"))
