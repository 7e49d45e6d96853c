"""The same training on one process and on any mesh: real processes, in float64, to 1e-12.

One launch of four processes goes through all their meshes, one of eight through theirs.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from processes import run_processes
from small_corpus import small_corpus
from test_loop import CONFIG

from corpus.errors import RunError
from corpus.mapped_corpus import MappedCorpus
from corpus.window_order import WindowIds, WindowOrder
from training.canonical_state import canonical_state
from training.config import MeshConfig, Precision, RunConfig
from training.loop import build_trainer, train
from training.mesh import Mesh
from training.model import Opt
from training.parallel import PLAN, split_dimension, style_of
from training.precision import dtypes
from training.token_stream import TokenStream
from training.validation import validate

CPU = torch.device("cpu")
TOLERANCE = 1e-12
VOCABULARY = 512

# As OPT's and as the released 350M's, whose embedding is narrower and whose norms come after.
SHAPES: dict[str, dict[str, Any]] = {
    "no dropout": {"dropout": 0.0, "attention_dropout": 0.0},
    "dropout": {"attention_dropout": 0.1},
    "350m": {"embedding_width": 8, "normalise": "after"},
}
MESHES: dict[str, MeshConfig] = {
    "1x2x2": MeshConfig(tp=2),
    "2x2x1": MeshConfig(replicate=2),
    "1x4x1": MeshConfig(shard=4),
    "1x1x4": MeshConfig(tp=4),
    "fairscale 1x2x2": MeshConfig(tp=2, backend="fairscale"),
    "2x1x2, whole": MeshConfig(replicate=2, shard=1, tp=2, reshard=False, recompute=True),
    "fairscale 1x2x2, recomputed": MeshConfig(tp=2, backend="fairscale", recompute=True),
}
# (mesh, shape, micro-batch); 0: no accumulation.
OF_FOUR = [
    *[(mesh, "no dropout", 0) for mesh in list(MESHES)[:5]],
    ("1x2x2", "no dropout", 1),
    *[(mesh, "dropout", 0) for mesh in ("1x2x2", "1x1x4", "fairscale 1x2x2")],
    *[("2x1x2, whole", "dropout", 1), ("fairscale 1x2x2, recomputed", "dropout", 2)],
    *[("1x2x2", "350m", 0), ("fairscale 1x2x2", "350m", 0)],
]


def run_config(mesh: MeshConfig, shape: str, micro_batch: int = 0) -> RunConfig:
    model = msgspec.structs.replace(CONFIG.model, heads=4, vocabulary=VOCABULARY, **SHAPES[shape])
    return msgspec.structs.replace(CONFIG, model=model, mesh=mesh, batch=8, steps=10, micro_batch=micro_batch)


class Remembering(TokenStream):
    """Windows that remember which were read; of a vocabulary of 512, for speed."""

    def __init__(self, ref: str, split: Any = "train") -> None:
        super().__init__(MappedCorpus.open(ref), split, CONFIG.sequence)
        self.seen: list[WindowIds] = []

    def read(self, ids: WindowIds) -> Any:
        self.seen.append(ids)
        return super().read(ids) % VOCABULARY


@dataclass
class Told:
    """What a process knows of a run when it ends.

    Attributes:
        records: [steps, 3], losses and norms of gradients and of parameters.
        windows: Digest of each update's batch.
        seen: [steps, rows, 2], source and window of each row that it computed.
        initial: Name -> each weight and moment, whole, as it began.
        final: The same as it ended.
        validation: Source -> loss.
        logits: Of a few tokens.
    """

    records: np.ndarray[Any, Any]
    windows: list[str]
    seen: np.ndarray[Any, Any]
    initial: dict[str, torch.Tensor]
    final: dict[str, torch.Tensor]
    validation: dict[str, float]
    logits: torch.Tensor


def whole(tensor: torch.Tensor) -> torch.Tensor:
    return getattr(tensor, "full_tensor", lambda: tensor)().detach().clone()


def train_and_tell(config: RunConfig, ref: str, mesh: Mesh | None) -> Told:
    stream, held_out = Remembering(ref), Remembering(ref, "valid")
    trainer = build_trainer(config, stream, CPU, mesh=mesh)
    initial = {name: whole(tensor) for name, tensor in canonical_state(trainer).items()}
    records = list(train(trainer))
    losses = validate(trainer.model, held_out, 6, 2, trainer.replica, trainer.to_device)
    with torch.no_grad():
        logits = trainer.model(torch.arange(2 * config.sequence).view(2, -1)).clone()
    final = {name: whole(tensor) for name, tensor in canonical_state(trainer).items()}
    assert all(int(tensor) == config.steps for name, tensor in final.items() if name.endswith(".step"))
    values = [(each.loss, each.gradient_norm, each.parameter_norm) for each in records]
    seen = np.array([np.stack([ids.source, ids.window], axis=1) for ids in stream.seen])
    return Told(np.array(values), [each.windows for each in records], seen, initial, final, losses, logits)


def work(rank: int, ref: str, configs: list[RunConfig]) -> list[Told]:
    told = [train_and_tell(config, ref, Mesh.of(config.mesh, CPU)) for config in configs]
    for each in told if rank else []:  # told once
        each.initial, each.final, each.logits = {}, {}, torch.empty(0)
    return told


@functools.cache
def alone(shape: str) -> Told:
    return train_and_tell(run_config(MeshConfig(), shape), small_corpus(), None)


@pytest.fixture(scope="module")
def four() -> dict[tuple[str, str, int], list[Told]]:
    configs = [run_config(MESHES[mesh], shape, micro_batch) for mesh, shape, micro_batch in OF_FOUR]
    told = run_processes(4, work, small_corpus(), configs)
    return dict(zip(OF_FOUR, map(list, zip(*told, strict=True)), strict=True))


def agree(told: list[Told], shape: str) -> None:
    """A run on a mesh is the run of one process."""
    one, first = alone(shape), told[0]
    for each in told:
        assert each.windows == one.windows
        assert (each.records == first.records).all()  # to the last bit: all decide alike
        assert each.validation == pytest.approx(one.validation, abs=TOLERANCE)
    assert abs(first.records - one.records).max() < TOLERANCE
    assert [*first.initial] == [*one.initial] and [*first.final] == [*one.final]
    assert all(torch.equal(first.initial[name], one.initial[name]) for name in one.initial)
    assert all(float((first.final[name] - one.final[name]).abs().max()) < 1e-10 for name in one.final)
    assert float((first.logits - one.logits).abs().max()) < 1e-10


@pytest.mark.parametrize("case", OF_FOUR, ids=lambda case: f"{case[0]}, {case[1]}, {case[2]}")
def test_a_mesh_of_four_trains_as_one_process(
    four: dict[tuple[str, str, int], list[Told]], case: tuple[str, str, int]
) -> None:
    agree(four[case], case[1])


def test_eight_processes_share_the_batches_that_one_has(four: dict[tuple[str, str, int], list[Told]]) -> None:
    """Each row of each batch is computed by one replica, in the batch's order, whatever their number."""
    config = run_config(MeshConfig(replicate=2, tp=2), "dropout")
    eight = [told for (told,) in run_processes(8, work, small_corpus(), [config])]
    agree(eight, "dropout")
    order = WindowOrder(Remembering(small_corpus()).windows, CONFIG.seed, 8, CONFIG.segment)
    batches = [order.batch(step) for step in range(10)]
    expected = np.array([np.stack([ids.source, ids.window], axis=1) for ids in batches])
    shares = [
        [alone("dropout").seen],
        [each.seen for each in four["2x2x1", "no dropout", 0]],
        [each.seen for each in four["1x2x2", "dropout", 0][::2]],
        [each.seen for each in eight[::2]],
    ]
    for replicas in shares:
        assert (np.concatenate(replicas, axis=1) == expected).all()
    assert (eight[0].seen == eight[1].seen).all()  # neighbours along tp compute the same rows
    assert [ids.digest() for ids in batches] == alone("dropout").windows


def tell(rank: int, ref: str, config: RunConfig) -> None:
    trainer = build_trainer(config, Remembering(ref), CPU, mesh=Mesh.of(config.mesh, CPU))
    for module in (trainer.model, trainer.optimiser):
        with pytest.raises(RunError, match="rank 0's for all"):
            module.state_dict()


def test_fairscales_parts_are_told_by_what_they_are_parts_of_or_not_at_all() -> None:
    run_processes(2, tell, small_corpus(), run_config(MESHES["fairscale 1x2x2"], "dropout"))


def narrow(rank: int, ref: str, config: RunConfig) -> tuple[list[float], set[torch.dtype]]:
    trainer = build_trainer(config, Remembering(ref), CPU, mesh=Mesh.of(config.mesh, CPU))
    losses = [record.loss for record in train(trainer)]
    return losses, {parameter.dtype for parameter in trainer.model.parameters()}


def test_a_mesh_computes_in_bf16_over_fp32_weights() -> None:
    config = msgspec.structs.replace(run_config(MeshConfig(tp=2), "dropout"), precision=Precision(), steps=5)
    losses, kept = run_processes(2, narrow, small_corpus(), config)[0]
    stream = Remembering(small_corpus())
    one = [record.loss for record in train(build_trainer(config, stream, CPU))]
    assert kept == {torch.float32}
    assert losses == pytest.approx(one, abs=5e-3)


@pytest.mark.parametrize("shape", ["dropout", "350m"])
def test_every_parameter_has_a_place_in_the_plan(shape: str) -> None:
    config = run_config(MeshConfig(), shape)
    model = Opt.on_meta(config.model, dtypes(config.precision))
    found = {style_of(name.rpartition(".")[0]) for name, _ in model.named_parameters()}
    assert None not in found
    known = {style for _, style in PLAN}
    missing = {style.name for style in known - found}
    assert missing == ({"ATTENTION", "OUTER_COLUMNS"} if shape == "dropout" else {"ATTENTION"})
    halves = {name for name, _ in model.named_parameters() if split_dimension(name) is not None}
    assert not any("layer_norm" in name or "positions" in name for name in halves)
    sizes = {name: tensor.numel() for name, tensor in model.named_parameters()}
    assert sum(sizes[name] for name in halves) > 0.9 * sum(sizes.values())


def test_recomputing_layers_changes_no_bit() -> None:
    config = run_config(MeshConfig(), "dropout")
    fused = msgspec.structs.replace(config.model, attention="fused")
    for model in (config.model, fused):
        runs = []
        for recompute in (False, True):
            chosen = msgspec.structs.replace(config, model=model, mesh=MeshConfig(recompute=recompute), steps=3)
            trainer = build_trainer(chosen, Remembering(small_corpus()), CPU)
            assert trainer.recompute == recompute
            runs.append([(each.loss, each.gradient_norm, each.hardware_flops) for each in train(trainer)])
        assert [each[:2] for each in runs[0]] == [each[:2] for each in runs[1]]
        assert runs[1][0][2] > runs[0][0][2]
