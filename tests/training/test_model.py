"""The model against transformers' OPTForCausalLM where it is installed, its parameter count, and its cache."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import torch

from training.config import ModelShape, load_run
from training.initialise import initialise
from training.model import Cache, Opt

RUNS = Path(__file__).parents[2] / "workflows" / "runs"
SMALL = ModelShape(layers=3, heads=4, width=32, feed_forward=64, vocabulary=96, positions=24)
NARROW = ModelShape(
    layers=2,
    heads=2,
    width=32,
    feed_forward=64,
    vocabulary=96,
    positions=24,
    embedding_width=16,
    normalise="after",
)


def build(shape: ModelShape, dtype: torch.dtype = torch.float32) -> Opt:
    with torch.device("meta"):
        model = Opt(shape, dtype)
    model.to_empty(device="cpu").to(dtype)
    initialise(model, shape, seed=5)
    return model


@pytest.mark.parametrize("path", sorted(RUNS.glob("*.toml")), ids=lambda path: path.stem)
def test_a_model_has_the_parameters_that_its_shape_counts(path: Path) -> None:
    shape = load_run(str(path)).model
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in Opt(shape).parameters()) == shape.parameters


@pytest.mark.parametrize("attention", ["fused", "eager"])
@pytest.mark.parametrize("shape", [SMALL, NARROW], ids=["before", "after"])
def test_logits_are_those_of_transformers(shape: ModelShape, attention: str) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.OPTForCausalLM(
        transformers.OPTConfig(
            vocab_size=shape.vocabulary,
            hidden_size=shape.width,
            num_hidden_layers=shape.layers,
            ffn_dim=shape.feed_forward,
            num_attention_heads=shape.heads,
            max_position_embeddings=shape.positions,
            word_embed_proj_dim=shape.embedding_width or shape.width,
            do_layer_norm_before=shape.normalise == "before",
            _remove_final_layer_norm=shape.normalise == "after",
        )
    ).eval()
    ours = build(_with(shape, attention))
    state = ours.state_dict() | {"lm_head.weight": ours.state_dict()["model.decoder.embed_tokens.weight"]}
    theirs.load_state_dict(state, strict=True)
    token_BT = torch.randint(0, shape.vocabulary, (3, 20), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = theirs(token_BT).logits
        assert (ours(token_BT) - expected).abs().max() < 1e-5 * max(1.0, float(expected.std()))
        assert expected.std() > 1e-4


@pytest.mark.parametrize("attention", ["fused", "eager"])
def test_a_cache_changes_no_logit(attention: str) -> None:
    model = build(_with(SMALL, attention), torch.float64)
    token_BT = torch.randint(0, SMALL.vocabulary, (2, 17), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        whole = model(token_BT)
        cache = Cache.empty(SMALL, 2, whole)
        parts = [model(token_BT[:, a:b], cache=cache) for a, b in ((0, 6), (6, 7), (7, 8), (8, 13), (13, 17))]
    assert cache.length == 17
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=0, atol=1e-14)


def test_no_position_sees_what_follows_it() -> None:
    model = build(SMALL)
    token_BT = torch.arange(20)[None] % SMALL.vocabulary
    changed_BT = token_BT.clone()
    changed_BT[0, 11] += 1
    with torch.no_grad():
        same_T = (model(token_BT) == model(changed_BT)).all(-1)[0]
    assert same_T[:11].all() and not same_T[11:].any()


def test_fp32_weights_compute_in_bf16_as_bf16_weights_do() -> None:
    """What FSDP2 does before a module, a module does by itself."""
    kept, cast = build(SMALL), build(SMALL)
    kept.model.decoder.compute = cast.model.decoder.compute = torch.bfloat16
    cast.to(torch.bfloat16)
    token_BT = torch.arange(40).view(2, 20) % SMALL.vocabulary
    for model in (kept, cast):
        model(token_BT, token_BT.roll(1)).backward()
    with torch.no_grad():
        assert kept(token_BT).dtype == torch.bfloat16
        assert torch.equal(kept(token_BT), cast(token_BT))
    for (name, one), other in zip(kept.named_parameters(), cast.parameters(), strict=True):
        assert one.grad is not None and other.grad is not None
        assert one.grad.dtype == torch.float32, name
        if "embed" not in name:  # an embedding's are added up in what it is kept in
            assert torch.equal(one.grad.to(torch.bfloat16), other.grad), name


def _with(shape: ModelShape, attention: str) -> ModelShape:
    return msgspec.structs.replace(shape, attention=attention)
