"""A trained model, wherever it is kept: a run's last checkpoint, or a folder in Hugging Face's form."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from corpus.errors import RecipeError, SourceError
from corpus.tokenizer import Vocabulary, load_vocabulary
from training.canonical_state import weights_of
from training.checkpoint import load
from training.commit import FILE
from training.hugging_face import load_model, model_files, read_vocabulary
from training.model import Opt
from training.precision import Dtypes, dtypes
from training.resumption import last_checkpoint


@dataclass(frozen=True, eq=False)
class SavedModel:
    """A model, and what it was read from.

    Attributes:
        model: On its device, to be asked and not trained.
        vocabulary: Whose ids it knows.
        name: As a person knows it: the folder, and the step where there is one.
        digest: sha256, 64 hex digits: of the commit that vouches for every byte of a checkpoint, or of the names
            and digests of the files of a folder.
        corpus_digest: Of the manifest it was trained on, where that is known.
    """

    model: Opt
    vocabulary: Vocabulary
    name: str
    digest: str
    corpus_digest: str | None

    @property
    def parameters(self) -> int:
        """How many parameters it has."""
        return sum(each.numel() for each in self.model.parameters())


def open_model(
    path: str, vocabulary: str, compute: torch.dtype, device: str, say: Callable[[str], None]
) -> SavedModel:
    """Reads a model.

    Args:
        path: The folder of a run, or one with a config.json.
        vocabulary: For a run's checkpoint, "gpt2" or the file of OPT's; a folder has its own, and this is "".
        compute: The dtype of weights and products.
        device: "cpu" or "cuda".
        say: Is told of checkpoints that are passed over.

    Raises:
        TokentrailError: There is none, it is damaged, or its vocabulary is not the one that is named.
    """
    if Path(path, "config.json").exists():
        own = read_vocabulary(path)
        if vocabulary and load_vocabulary(vocabulary).name != own.name:
            raise RecipeError(
                f"the model's vocabulary is {own.name}, not {load_vocabulary(vocabulary).name}",
                where=path,
                remedy="leave --vocabulary out: such a folder has its own",
            )
        model = load_model(path, compute, device)
        return SavedModel(model, own, Path(path).name, _digest(path), None)
    found = last_checkpoint(path, say)
    if found is None:
        raise SourceError(
            "there is no model here",
            where=path,
            remedy="name the --run-dir of a run that saved one, or a folder with a config.json",
        )
    config = found.commit.config
    kept = dtypes(config.precision)
    model = Opt.on_meta(config.model, Dtypes(kept.parameters, compute, kept.reduce))
    model.to_empty(device="cpu")
    load(found, weights_of(model))
    model.to(device, compute).eval()
    return SavedModel(
        model=model,
        vocabulary=load_vocabulary(vocabulary or "gpt2"),
        name=f"{Path(path).name} at step {found.commit.step:,}",
        digest=hashlib.sha256((found.folder / FILE).read_bytes()).hexdigest(),
        corpus_digest=found.commit.corpus_digest,
    )


def _digest(folder: str) -> str:
    """sha256 of the names, sizes and digests of what makes a model of a folder."""
    found = hashlib.sha256()
    for file in model_files(folder):
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        found.update(f"{file.name} {file.stat().st_size} {digest}\n".encode())
    return found.hexdigest()
