"""Models of a few channels and all of GPT-2's ids, and how transformers reads them."""

from __future__ import annotations

from typing import Any

import torch

from corpus.tokenizer import GPT2_SIZE, load_vocabulary
from training.config import ModelShape
from training.hugging_face import write_model
from training.initialise import initialise
from training.model import Opt

# As many rows as ids: what stands behind them gets no probability from us, and some from transformers.
SHAPE = ModelShape(layers=2, heads=4, width=32, feed_forward=64, vocabulary=GPT2_SIZE, positions=96)


def model_of(shape: ModelShape, spread: float = 20.0, dtype: torch.dtype = torch.float32) -> Opt:
    """Initial values, and wider than OPT's: at those every id is as likely as any other."""
    with torch.device("meta"):
        model = Opt(shape, dtype)
    model.to_empty(device="cpu").to(dtype)
    initialise(model, shape, seed=5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(spread if parameter.dim() > 1 else 1)
    return model.eval()


def write(folder: str, shape: ModelShape = SHAPE) -> str:
    """The folder of such a model in Hugging Face's form."""
    write_model(folder, model_of(shape).state_dict(), shape, load_vocabulary("gpt2"))
    return folder


def theirs(transformers: Any, model: Opt) -> Any:
    """transformers' OPTForCausalLM of the same weights."""
    shape = model.shape
    judge = transformers.OPTForCausalLM(
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
    )
    state = model.state_dict()
    judge.load_state_dict(state | {"lm_head.weight": state["model.decoder.embed_tokens.weight"]}, strict=True)
    return judge.eval()
