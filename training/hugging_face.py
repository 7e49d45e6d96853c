"""OPT as transformers' OPTForCausalLM reads it, a folder of weights, config and tokenizer: written and read.

The model's parameters have Hugging Face's names (training/model.py), so nothing is renamed, turned or cut: what is
written is what was trained. Published weights come the same way in.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from corpus.errors import IntegrityError, RecipeError, SourceError, StoreError
from corpus.tokenizer import Vocabulary, gpt2_spellings, load_vocabulary, merges_file
from training.config import ModelShape
from training.model import Opt

# The files that weights lie in, the best first: an index names several. Of pickles only tensors are read.
_SAFE: Final = "model.safetensors"
_PICKLED: Final = "pytorch_model.bin"
_INDEX: Final = ".index.json"
FILE_BYTES: Final = 5_000_000_000  # of one file of weights; Hugging Face's own default

# What is a choice in OPTConfig and none here; absent, each has this value.
# Source: transformers, OPTConfig; `_remove_final_layer_norm` keeps weights of before its 4.20 readable.
_FIXED: Final[dict[str, Any]] = {
    "model_type": "opt",
    "activation_function": "relu",
    "enable_bias": True,
    "layer_norm_elementwise_affine": True,
    "tie_word_embeddings": True,
    "_remove_final_layer_norm": False,
}
_HEAD, _EMBEDDING = "lm_head.weight", "model.decoder.embed_tokens.weight"


def write_model(folder: str, state: Mapping[str, Tensor], shape: ModelShape, vocabulary: Vocabulary) -> None:
    """Writes a folder that `OPTForCausalLM.from_pretrained` and `AutoTokenizer.from_pretrained` read.

    Args:
        folder: It must not be there yet; it appears when it is whole.
        state: Name -> tensor, all of them, each whole, in the dtype they are to have.
        vocabulary: Of the corpus.

    Raises:
        IntegrityError: The tensors are not those of the shape.
        RecipeError: The vocabulary has more ids than the embedding rows.
        StoreError: The folder is there already, or cannot be written.
    """
    _check(state, shape, folder)
    if vocabulary.size > shape.vocabulary:
        raise RecipeError(
            f"the vocabulary has {vocabulary.size:,} ids, the model's embedding {shape.vocabulary:,} rows",
            where=f"vocabulary {vocabulary.name}",
            remedy="name the vocabulary of the corpus that the model was trained on",
        )
    target, aside = Path(folder), Path(f"{folder.rstrip('/')}.partial")
    if target.exists():
        raise StoreError("there is something already", where=folder, remedy="name a new folder with --out")
    dtype = str(state[_EMBEDDING].dtype).removeprefix("torch.")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        _write_weights(aside, state)
        _write_json(aside / "config.json", {**_config(shape, vocabulary), "dtype": dtype})
        _write_tokenizer(aside, vocabulary, shape.positions)
        aside.rename(target)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise StoreError(
            f"cannot write the model: {error}", where=folder, remedy="free some space, or name another folder"
        ) from error


def read_model(folder: str) -> tuple[ModelShape, dict[str, Tensor]]:
    """The shape and the weights of a folder in Hugging Face's form, in the dtype they have there.

    Raises:
        SourceError: There is no config or there are no weights.
        IntegrityError: It is no OPT that is built here, a file is damaged, or a weight is missing or too many.
    """
    path = Path(folder)
    shape = _shape(_read_json(path / "config.json"), folder)
    state: dict[str, Tensor] = {}
    for file in _files(path):
        # Weights that were published before transformers had a head of its own lack the first level.
        state |= {name if name.startswith("model.") else f"model.{name}": each for name, each in _tensors(file)}
    head = state.pop(f"model.{_HEAD}", None)
    if head is not None and not torch.equal(head, state.get(_EMBEDDING, head[:0])):
        raise IntegrityError(
            "the head is not the token embedding: the model is not tied",
            where=f"{folder}, {_HEAD}",
            remedy="no OPT is so; look where it is from",
        )
    _check(state, shape, folder)
    return shape, state


def load_model(folder: str, compute: torch.dtype = torch.float32, device: str = "cpu") -> Opt:
    """The model of a folder, its weights in the dtype that is computed in.

    Raises:
        SourceError: See `read_model`.
        IntegrityError: See `read_model`.
    """
    shape, state = read_model(folder)
    with torch.device("meta"):
        model = Opt(shape, compute)
    model.load_state_dict({name: each.to(device, compute) for name, each in state.items()}, assign=True)
    model.eval()
    return model


def read_vocabulary(folder: str) -> Vocabulary:
    """The vocabulary beside the weights: GPT-2's or OPT's, by what is in it.

    Raises:
        RecipeError: It is neither.
        SourceError: There is none.
    """
    path = Path(folder, "vocab.json")
    entries = _read_json(path)
    own = entries == {spelling: number for number, spelling in enumerate(gpt2_spellings())}
    return load_vocabulary("gpt2" if own else str(path))


def model_files(folder: str) -> list[Path]:
    """The files of a folder that decide what its model says: config, vocabulary, weights.

    Raises:
        SourceError: There are no weights.
    """
    path = Path(folder)
    return [path / "config.json", path / "vocab.json", *_files(path)]


def _config(shape: ModelShape, vocabulary: Vocabulary) -> dict[str, Any]:
    return {
        **_FIXED,
        "architectures": ["OPTForCausalLM"],
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "ffn_dim": shape.feed_forward,
        "max_position_embeddings": shape.positions,
        "word_embed_proj_dim": shape.embedding_width or shape.width,
        "do_layer_norm_before": shape.normalise == "before",
        "dropout": shape.dropout,
        "attention_dropout": shape.attention_dropout,
        "layerdrop": 0.0,
        # A text begins where another ended: that is what stood before each in training. Published OPT has it so.
        "bos_token_id": vocabulary.end_of_document,
        "eos_token_id": vocabulary.end_of_document,
        "pad_token_id": vocabulary.end_of_document if vocabulary.pad is None else vocabulary.pad,
    }


def _shape(config: Mapping[str, Any], folder: str) -> ModelShape:
    other = {key: config.get(key, value) for key, value in _FIXED.items() if config.get(key, value) != value}
    try:
        if other:
            raise ValueError(", ".join(f"{key} is {value!r}" for key, value in other.items()))
        width, narrow = config["hidden_size"], config.get("word_embed_proj_dim") or config["hidden_size"]
        return msgspec.convert(
            {
                "layers": config["num_hidden_layers"],
                "heads": config["num_attention_heads"],
                "width": width,
                "feed_forward": config["ffn_dim"],
                "vocabulary": config["vocab_size"],
                "positions": config["max_position_embeddings"],
                "embedding_width": 0 if narrow == width else narrow,
                "normalise": "before" if config.get("do_layer_norm_before", True) else "after",
            },
            ModelShape,
        )
    except (KeyError, ValueError) as error:
        raise IntegrityError(
            f"this is no OPT that is built here: {error}",
            where=f"{folder}/config.json",
            remedy="give a model of OPT's family",
        ) from error


def _check(state: Mapping[str, Tensor], shape: ModelShape, where: str) -> None:
    """The tensors are the shape's, neither more nor fewer: a smaller model is no part of a larger one."""
    with torch.device("meta"):
        wanted = {name: tuple(each.shape) for name, each in Opt(shape).state_dict().items()}
    found = {name: tuple(each.shape) for name, each in state.items()}
    wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if wrong:
        name = wrong[0]
        raise IntegrityError(
            f"{len(wrong):,} tensors are not the model's: {name} is {found.get(name, 'missing')}, and should be "
            f"{wanted.get(name, 'absent')}",
            where=where,
            remedy="give the weights and the shape of one model",
        )


def _write_weights(folder: Path, state: Mapping[str, Tensor]) -> None:
    """One file, or several and their index; tensors in the order of their names."""
    groups: list[dict[str, Tensor]] = [{}]
    room = FILE_BYTES
    for name in sorted(state):
        size = state[name].nbytes
        if groups[-1] and size > room:
            groups.append({})
            room = FILE_BYTES
        groups[-1][name] = state[name].detach().contiguous()
        room -= size
    stem, dot, ending = _SAFE.partition(".")
    names = [f"{stem}-{number:05d}-of-{len(groups):05d}{dot}{ending}" for number in range(1, len(groups) + 1)]
    names = names if len(groups) > 1 else [_SAFE]
    for file, group in zip(names, groups, strict=True):
        save_file(group, folder / file, {"format": "pt"})
    if len(groups) > 1:
        where = {name: file for file, group in zip(names, groups, strict=True) for name in group}
        total = {"total_size": sum(each.nbytes for each in state.values())}
        _write_json(folder / f"{_SAFE}{_INDEX}", {"metadata": total, "weight_map": where})


def _files(folder: Path) -> list[Path]:
    for name in (_SAFE, _PICKLED):
        index = folder / f"{name}{_INDEX}"
        if index.exists():
            named = set(map(str, _read_json(index).get("weight_map", {}).values()))
            return [folder / Path(file).name for file in sorted(named)]
        if (folder / name).exists():
            return [folder / name]
    raise SourceError(
        "there are no weights", where=str(folder), remedy=f"name a folder that holds {_SAFE} or {_PICKLED}"
    )


def _tensors(file: Path) -> Iterator[tuple[str, Tensor]]:
    try:
        if file.suffix == ".safetensors":
            found = load_file(file)
        else:  # a pickle may run what it likes; with `weights_only` it may hold tensors and names, and no more
            found = torch.load(file, map_location="cpu", weights_only=True)
        yield from ((name, each) for name, each in found.items() if isinstance(each, Tensor))
    except FileNotFoundError as error:
        raise SourceError("a file of weights is missing", where=str(file), remedy="fetch it again") from error
    except (SafetensorError, UnpicklingError, RuntimeError, EOFError, AttributeError) as error:
        said = str(error).partition("\n")[0]
        raise IntegrityError(
            f"this file of weights does not read: {said}", where=str(file), remedy="fetch it again"
        ) from error


def _write_tokenizer(folder: Path, vocabulary: Vocabulary, positions: int) -> None:
    """The files of GPT-2's tokenizer, which published OPT has too."""
    spellings = vocabulary.spellings()
    end = spellings[vocabulary.end_of_document]
    _write_json(folder / "vocab.json", {spelling: number for number, spelling in enumerate(spellings)})
    (folder / "merges.txt").write_bytes(merges_file())
    settings = {
        "tokenizer_class": "GPT2Tokenizer",
        "add_bos_token": True,
        "add_prefix_space": False,
        "bos_token": end,
        "eos_token": end,
        "unk_token": end,
        "pad_token": end if vocabulary.pad is None else spellings[vocabulary.pad],
        "errors": "replace",
        "model_max_length": positions,
    }
    _write_json(folder / "tokenizer_config.json", settings)


def _write_json(path: Path, value: object) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except FileNotFoundError as error:
        raise SourceError(
            f"there is no {path.name}", where=str(path.parent), remedy="name a folder in Hugging Face's form"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IntegrityError(
            f"this is no JSON object: {error}", where=str(path), remedy="fetch it again"
        ) from error
