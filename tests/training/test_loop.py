"""Updates against a bare loop over the same tokens, and what must not depend on how a batch is computed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from small_corpus import small_corpus
from torch.nn import functional

from corpus.errors import RecipeError, RunError
from corpus.mapped_corpus import MappedCorpus
from corpus.window_order import Segment, WindowOrder
from training.config import ModelShape, Optimisation, Precision, RunConfig, Validation, load_run
from training.loop import Trainer, build_model, build_trainer, train
from training.metrics import StepRecord
from training.replica import Replica
from training.schedule import learning_rate
from training.token_stream import TokenStream
from training.validation import validate

CPU = torch.device("cpu")
CONFIG = RunConfig(
    name="small",
    model=ModelShape(
        layers=2,
        heads=2,
        width=16,
        feed_forward=32,
        vocabulary=50_264,
        positions=16,
        attention="eager",
    ),
    optimisation=Optimisation(learning_rate=6e-4, warmup_tokens=128, decay_tokens=10_000),
    steps=4,
    batch=4,
    sequence=16,
    precision=Precision(compute="fp64"),
    validation=Validation(every=0),
)


def config(**changes: object) -> RunConfig:
    """CONFIG with some keys changed; those of the model by `model`, a dict."""
    shape = msgspec.structs.replace(CONFIG.model, **changes.pop("model", {}))  # type: ignore[arg-type]
    return msgspec.structs.replace(CONFIG, model=shape, **changes)


def stream(split: str = "train", sequence: int = 16) -> TokenStream:
    return TokenStream(MappedCorpus.open(small_corpus()), split, sequence)  # type: ignore[arg-type]


def run(chosen: RunConfig, replica: Replica | None = None) -> tuple[Trainer, list[StepRecord]]:
    trainer = build_trainer(chosen, stream(), CPU)
    trainer = trainer if replica is None else replace(trainer, replica=replica)
    return trainer, list(train(trainer))


def test_an_update_is_a_bare_loop_over_the_same_windows() -> None:
    """Torch's own loss and optimiser, no chunks, no micro-batches; without dropout."""
    chosen = config(model={"dropout": 0.0, "attention_dropout": 0.0, "attention": "fused"})
    _, records = run(chosen)
    tokens = stream()
    order = WindowOrder(tokens.windows, chosen.seed, chosen.batch, chosen.segment)
    model = build_model(chosen, CPU)
    optimiser = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=0.1)
    for update, record in enumerate(records):
        token_BT = torch.from_numpy(tokens.read(order.batch(update)).astype(np.int64))
        logits_BTV = model(token_BT[:, :-1])
        loss = functional.cross_entropy(logits_BTV.flatten(0, 1), token_BT[:, 1:].flatten())
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(chosen.optimisation, (update + 1) * 64)
        optimiser.step()
        optimiser.zero_grad()
        assert record.loss == pytest.approx(loss.item(), abs=1e-12)
        assert record.gradient_norm == pytest.approx(norm.item(), rel=1e-12)
        assert (record.step, record.data_step, record.tokens) == (update + 1, update, (update + 1) * 64)
        assert record.windows == order.batch(update).digest()


@pytest.mark.parametrize("attention", ["eager", "fused"])
def test_accumulation_changes_nothing(attention: str) -> None:
    """With keyed dropout of .1; fused attention dropout is left out: it is tied to the kernel's calls."""
    model = {"attention": attention, "attention_dropout": 0.1 if attention == "eager" else 0.0}
    whole = run(config(model=model))[1]
    assert len({record.loss for record in whole}) == len(whole)
    for micro_batch in (1, 2):
        parts = run(config(model=model, micro_batch=micro_batch))[1]
        for one, other in zip(whole, parts, strict=True):
            assert one.loss == pytest.approx(other.loss, abs=1e-12)
            assert one.gradient_norm == pytest.approx(other.gradient_norm, rel=1e-11)


def test_dropout_is_drawn_anew_at_every_update_and_only_in_training() -> None:
    trainer = build_trainer(config(), stream(), CPU)
    held_out = stream("valid")
    losses = [validate(trainer.model, held_out, 2, 4, Replica(), trainer.to_device) for _ in range(2)]
    assert losses[0] == losses[1]
    plain = run(config(model={"dropout": 0.0, "attention_dropout": 0.0}))[1]
    assert abs(plain[0].loss - run(config())[1][0].loss) > 1e-9


def test_the_gradient_of_a_batch_is_the_sum_of_its_replicas() -> None:
    """Two replicas, one after the other: each computes its rows, and the loss it adds is its share."""
    whole = run(config(steps=1))[1][0]
    shares: list[float] = []

    def remember(value: torch.Tensor) -> torch.Tensor:
        shares.append(value.item())
        return value

    gradients = []
    for rank in range(2):
        trainer = build_trainer(config(steps=1), stream(), CPU)
        trainer = replace(trainer, replica=Replica(rank, 2, remember))
        before = [parameter.detach().clone() for parameter in trainer.model.parameters()]
        (record,) = train(trainer)
        gradients.append(record.gradient_norm)
        assert any((a != b).any() for a, b in zip(before, trainer.model.parameters(), strict=True))
    assert sum(shares) / CONFIG.tokens_per_update == pytest.approx(whole.loss, abs=1e-12)
    assert sum(gradients) >= whole.gradient_norm >= abs(gradients[0] - gradients[1])


def test_a_run_goes_on_where_its_state_says() -> None:
    """Nothing but weights, moments and the number of updates is needed to go on, bit for bit."""
    trainer, records = run(config(steps=6))
    first = build_trainer(config(steps=6), stream(), CPU)
    going = train(first)
    begun = [next(going) for _ in range(3)]
    going.close()
    second = build_trainer(config(steps=6), stream(), CPU)
    second.model.load_state_dict(first.model.state_dict())
    second.optimiser.load_state_dict(first.optimiser.state_dict())
    told = [*begun, *train(second, done=3)]
    assert [(r.loss, r.gradient_norm, r.windows) for r in told] == [
        (r.loss, r.gradient_norm, r.windows) for r in records
    ]
    for one, other in zip(trainer.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_segments_pass_over_batches_and_change_the_mixture() -> None:
    segments = (Segment(), Segment(update=2, skip=5, weights={"beta": 1}))
    _, records = run(config(segment=segments))
    order = WindowOrder(stream().windows, 1, 4, segments)
    assert [record.data_step for record in records] == [0, 1, 7, 8]
    assert records[2].windows == order.batch(7).digest()
    assert set(order.batch(7).source.tolist()) == {1}


def test_validation_is_the_mean_over_the_first_windows_of_each_source() -> None:
    trainer = build_trainer(config(), stream(), CPU)
    held_out = stream("valid")
    tables = {}
    for source in held_out.windows:
        token_BT = torch.from_numpy(held_out.read(held_out.first(source, 5)).astype(np.int64))
        with torch.no_grad():
            logits = trainer.model(token_BT[:, :-1])
        tables[source] = functional.cross_entropy(logits.flatten(0, 1), token_BT[:, 1:].flatten()).item()
    for rows in (1, 2, 5, 64):
        assert validate(trainer.model, held_out, 5, rows, Replica(), trainer.to_device) == pytest.approx(tables)
    shares = [validate(trainer.model, held_out, 5, 2, Replica(rank, 3), trainer.to_device) for rank in range(3)]
    assert {source: sum(share[source] for share in shares) for source in tables} == pytest.approx(tables)


def test_the_small_model_learns_in_bf16_over_fp32_weights() -> None:
    """From knowing nothing to at least what can be known without the words before: the unigram entropy."""
    chosen = config(
        steps=40,
        batch=16,
        model={"attention": "fused", "width": 32, "feed_forward": 64},
        optimisation=Optimisation(learning_rate=2e-2, warmup_tokens=2048, decay_tokens=40 * 256),
        precision=Precision(),
    )
    trainer, records = run(chosen)
    counts = np.bincount(np.concatenate([table.ravel() for table in trainer.stream._tables]))
    share = counts[counts > 0] / counts.sum()
    entropy = -float((share * np.log(share)).sum())
    assert records[0].loss == pytest.approx(math.log(50_264), abs=0.1)
    assert np.mean([record.loss for record in records[-5:]]) < entropy + 0.15
    assert all(parameter.dtype == torch.float32 for parameter in trainer.model.parameters())


def test_a_loss_that_is_not_finite_ends_the_run_before_it_spoils_the_weights() -> None:
    trainer = build_trainer(config(), stream(), CPU)
    trainer.model.model.decoder.layers[0].fc1.bias.data[0] = math.inf
    before = trainer.model.model.decoder.embed_tokens.weight.detach().clone()
    with pytest.raises(RunError, match="the loss is") as caught:
        next(train(trainer))
    assert caught.value.where == "update 1, data step 0"
    assert torch.equal(before, trainer.model.model.decoder.embed_tokens.weight)


def test_a_batch_that_does_not_divide_is_refused() -> None:
    with pytest.raises(RecipeError, match="does not divide"):
        run(config(micro_batch=3))
    with pytest.raises(RecipeError, match="4 sequences among 3 replicas"):
        run(config(), Replica(0, 3))


def test_too_few_windows_are_refused() -> None:
    with pytest.raises(RecipeError, match="nothing is drawn"):
        build_trainer(config(), stream(sequence=200_000), CPU)


def test_tiny_is_a_run_of_the_sample() -> None:
    tiny = load_run(str(Path(__file__).parents[2] / "workflows" / "runs" / "tiny.toml"))
    assert tiny.steps == 200 and tiny.sequence <= tiny.model.positions
