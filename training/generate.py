"""The command line that goes on with a prompt, by a model in Hugging Face's form.

    python training/generate.py runs/tiny/exported --prompt "The keeper" --tokens 40 --top-p 0.9 --samples 3

A sample is a function of the model, the prompt and its number: any can be had again, alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if __package__ in (None, ""):  # started as a script: the packages lie one folder up
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from corpus.errors import RecipeError, TokentrailError
from corpus.order import derive_key

if TYPE_CHECKING:
    from torch import Tensor

    from training.model import Opt


def generate(model: Opt, prompt: Sequence[int], end: int, top_p: float = 0.0, sample: int = 0) -> Iterator[int]:
    """The ids that go on with a prompt, until one ends the document or there are no more positions.

    Args:
        model: On any device.
        prompt: Its ids, at least one: a document's own begin with the end of another.
        end: The id that ends a document; it is the last one given.
        top_p: Draw among the fewest ids whose probabilities add up to this; 0 for always the most probable.
        sample: Which of the draws for this prompt.

    Raises:
        RecipeError: The prompt is empty or fills all positions.
    """
    import torch

    from training.model import Cache

    positions = model.shape.positions
    if not 0 < len(prompt) <= positions:
        raise RecipeError(
            f"a prompt of {len(prompt):,} tokens is not between 1 and the {positions:,} positions",
            where="the prompt",
            remedy="shorten it",
        )
    weight = next(model.parameters())
    cache = Cache.empty(model.shape, 1, weight.new_empty((), dtype=model.model.decoder.compute))
    key = derive_key(sample, "generate/" + ",".join(map(str, prompt)))
    coming = list(prompt)
    for number in range(positions - len(prompt) + 1):
        with torch.no_grad():
            logits_V = model(torch.tensor([coming], device=weight.device), cache=cache)[0, -1]
        chosen = _draw(logits_V, top_p, key, number) if top_p else int(logits_V.argmax())
        yield chosen
        if chosen == end:
            return
        coming = [chosen]


def _draw(logits_V: Tensor, top_p: float, key: int, number: int) -> int:
    """One id of the nucleus (Holtzman et al., arXiv 1904.09751), by a number that a hash gives.

    In fp64, and equal probabilities in the order of their ids: the sum is the same wherever it is taken.
    """
    chance_V, id_V = logits_V.double().cpu().softmax(-1).sort(descending=True, stable=True)
    sum_V = chance_V.cumsum(-1)
    kept = min(int((sum_V < top_p).sum()) + 1, len(sum_V))
    at = derive_key(key, str(number)) / 2**64 * float(sum_V[kept - 1])
    return int(id_V[min(int((sum_V[:kept] <= at).sum()), kept - 1)])


def options() -> argparse.ArgumentParser:
    """The options of a prompt."""
    top = argparse.ArgumentParser(prog="generate.py", description="Goes on with a prompt.")
    top.add_argument("model", help="a folder in Hugging Face's form, for instance one of export_hf.py")
    top.add_argument("--prompt", required=True, help="how the text begins")
    top.add_argument("--tokens", type=int, default=64, help="at most so many more (default: 64)")
    top.add_argument("--top-p", type=float, default=0.0, help="draw among the likeliest, up to this probability")
    top.add_argument("--samples", type=int, default=1, help="how many texts (default: 1)")
    top.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit code: 0 done, 1 a check failed, 2 the user's mistake."""
    chosen = options().parse_args(argv)
    try:
        for text in texts(chosen):
            print(text, flush=True)
    except TokentrailError as error:
        if chosen.debug:
            raise
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def texts(chosen: argparse.Namespace) -> Iterator[str]:
    """The prompt and what follows it, sample by sample.

    Raises:
        TokentrailError: The model does not read, or an option is wrong.
    """
    from itertools import islice

    from corpus.document import Texts
    from corpus.encoders import best_encoder, choose_encoder
    from training.hugging_face import load_model, read_vocabulary

    if not 0 <= chosen.top_p <= 1:
        raise RecipeError(f"top-p is {chosen.top_p}", where="--top-p", remedy="give 0, or a probability up to 1")
    model, vocabulary = load_model(chosen.model, device=chosen.device), read_vocabulary(chosen.model)
    encoder = choose_encoder(best_encoder())
    ids = vocabulary.from_gpt2[encoder.encode(Texts.from_list([chosen.prompt.encode()])).ids]
    prompt = [vocabulary.end_of_document, *ids.tolist()]
    for sample in range(chosen.samples):
        going = generate(model, prompt, vocabulary.end_of_document, chosen.top_p, sample)
        following = [one for one in islice(going, chosen.tokens) if one < vocabulary.size]
        yield chosen.prompt + vocabulary.decode(following).decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
