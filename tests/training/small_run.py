"""A small run that saves, for the tests of checkpoints: started, left, and gone on with, in this process."""

from __future__ import annotations

import msgspec
import torch
from small_corpus import small_corpus
from torch import Tensor

from corpus.mapped_corpus import MappedCorpus
from training.canonical_state import canonical_state
from training.checkpoint import Saver, load
from training.config import Checkpoints, ModelShape, Optimisation, Precision, RunConfig, Validation
from training.loop import Trainer, build_trainer, train
from training.mesh import Mesh
from training.metrics import StepRecord
from training.resumption import check_same_run, last_checkpoint
from training.token_stream import TokenStream
from training.world import World

CPU, ALONE = torch.device("cpu"), World()
CONFIG = RunConfig(
    name="small",
    model=ModelShape(layers=2, heads=2, width=16, feed_forward=32, vocabulary=50_264, positions=16),
    optimisation=Optimisation(learning_rate=6e-3, warmup_tokens=128, decay_tokens=10_000),
    steps=8,
    batch=4,
    sequence=16,
    precision=Precision(compute="fp32"),
    validation=Validation(every=0),
    checkpoint=Checkpoints(every=2),
)


def changed(**keys: object) -> RunConfig:
    """CONFIG with some keys changed; those of a table by its name, as a dict."""
    for table, values in keys.items():
        if isinstance(values, dict):
            keys[table] = msgspec.structs.replace(getattr(CONFIG, table), **values)
    return msgspec.structs.replace(CONFIG, **keys)


def build(config: RunConfig = CONFIG, attempt: int = 1, ref: str = "", world: World = ALONE) -> Trainer:
    """A trainer that has not seen a checkpoint."""
    stream = TokenStream(MappedCorpus.open(ref or small_corpus()), "train", config.sequence)
    mesh = Mesh.of(config.mesh, CPU) if world.size > 1 else None
    return build_trainer(config, stream, CPU, attempt, mesh)


def go_on(
    run_dir: object,
    config: RunConfig = CONFIG,
    attempt: int = 1,
    until: int | None = None,
    ref: str = "",
    world: World = ALONE,
) -> tuple[Trainer, list[StepRecord], list[str]]:
    """One start of a run, to its end or until an update: the trainer, its records, what was said."""
    said: list[str] = []
    records: list[StepRecord] = []
    trainer = build(config, attempt, ref, world)
    digest = MappedCorpus.open(ref or small_corpus()).digest
    last = last_checkpoint(str(run_dir), said.append, lambda found: check_same_run(found, config, digest), world)
    if last is not None:
        load(last, canonical_state(trainer), world)
    done = last.commit.step if last is not None else 0
    with Saver(str(run_dir), trainer, digest, done, world) as saver:
        for record in train(trainer, done):
            records.append(record)
            if record.step % config.checkpoint.every == 0:
                saver.save(record.step)
            if record.step == until:
                break
        saver.wait()
    return trainer, records, said


def told(records: list[StepRecord]) -> list[tuple[object, ...]]:
    """What a record says of the training, and not of the clock."""
    return [(r.step, r.data_step, r.loss, r.gradient_norm, r.parameter_norm, r.windows) for r in records]


def contents(trainer: Trainer) -> dict[str, Tensor]:
    """A copy of all weights and moments, whole; all processes must ask."""
    return {
        name: getattr(tensor, "full_tensor", lambda tensor=tensor: tensor)().detach().clone()
        for name, tensor in canonical_state(trainer).items()
    }


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
