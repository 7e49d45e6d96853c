"""A model of two layers that was never trained, for the tests of evaluation: what it says is all but even."""

from __future__ import annotations

from pathlib import Path

import torch

from corpus.tokenizer import load_vocabulary
from training.config import ModelShape
from training.hugging_face import write_model
from training.model import Opt

SHAPE = ModelShape(layers=2, heads=2, width=16, feed_forward=32, vocabulary=50_264, positions=128)


def small_model(shape: ModelShape = SHAPE, seed: int = 1) -> Opt:
    """Weights so large that tokens differ."""
    torch.manual_seed(seed)
    model = Opt(shape)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, 0, 0.2)
    return model.eval()


def written_model(folder: Path, shape: ModelShape = SHAPE, seed: int = 1) -> str:
    """The same in Hugging Face's form."""
    write_model(str(folder), small_model(shape, seed).state_dict(), shape, load_vocabulary("gpt2"))
    return str(folder)
