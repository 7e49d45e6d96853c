"""What is asked of an evaluation, as the command line says it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Final

from corpus.errors import RecipeError
from evaluation.shots import Preamble, Shots
from evaluation.tasks import listed
from evaluation.tasks.task import Task

# What is made of the corpus itself.
PERPLEXITY: Final = "perplexity"
CONTINUATION: Final = "continuation"
OF_CORPUS: Final = (PERPLEXITY, CONTINUATION)
# Tokens of a chunk that are computed. Unpublished: our choice, by workflows/benchmarks/evaluator.py.
CHUNK_TOKENS: Final = 4096
DTYPES: Final = ("float32", "bfloat16", "float64")


@dataclass(frozen=True, kw_only=True)
class Questions:
    """What is asked.

    Attributes:
        checkpoint: The folder of a run, or of a model in Hugging Face's form.
        vocabulary: Of a run's checkpoint: "gpt2", or the file of OPT's; "" for what the corpus or the folder says.
        corpus: A ref, or "".
        data: The folder of test sets, or "".
        of_corpus: Which of `OF_CORPUS`.
        tasks: Which tasks.
        shots: How examples are drawn, for each number of them.
        required: Whether a missing set is an error.
        limit: Items of a task, windows of a source, at most; 0 for all.
        window: Tokens that the model is given at once; 0 for as many as it takes.
        stride: Tokens that a window of held-out text predicts; 0 for all that it holds.
        begins: Whether a prompt begins behind the end of another document, as in training.
        dtype: Of weights and products.
        chunk_tokens: Tokens that are computed in one pass.
        device: "cpu", "cuda" or "auto".
        out: The folder of results.
    """

    checkpoint: str
    vocabulary: str
    corpus: str
    data: str
    of_corpus: tuple[str, ...]
    tasks: tuple[Task, ...]
    shots: tuple[Shots, ...]
    required: bool
    limit: int
    window: int
    stride: int
    begins: bool
    dtype: str
    chunk_tokens: int
    device: str
    out: str


def options() -> argparse.ArgumentParser:
    """The options of an evaluation."""
    top = argparse.ArgumentParser(prog="run.py", description="Evaluates a model of OPT's family.")
    add = top.add_argument
    add("--checkpoint", required=True, help="the folder of a run, or of a model in Hugging Face's form")
    add("--corpus", default="", help="a sealed corpus, for instance build/refs/sample/1.0.0: its held-out part")
    add("--data", default="", help="the folder of test sets, one folder a task (evaluation/tasks/README.md)")
    add("--tasks", default="", help="names, or nlp for the paper's sixteen (default: all that was given data for)")
    add("--shots", default="0", help="worked examples before an item, for instance 0,1,32 (default: 0)")
    add("--out", required=True, help="the folder of results; an evaluation in it is gone on with")
    add("--preamble", choices=["drawn", "fixed"], default="drawn", help="examples for each item, or for all")
    add("--seed", type=int, default=0, help="of what is drawn (default: 0)")
    add("--limit", type=int, default=0, help="at most so many items of a task, and windows of a source")
    add("--require", action="store_true", help="a missing test set is an error")
    add("--window", type=int, default=0, help="tokens that the model is given at once (default: all it takes)")
    add("--stride", type=int, default=0, help="tokens that a window of held-out text predicts (default: all)")
    add("--begin", choices=["document", "nothing"], default="document", help="what a prompt begins with")
    add("--vocabulary", default="", help="of a run's checkpoint: gpt2, or the path of OPT's gpt2-vocab.json")
    add("--dtype", choices=DTYPES, default="float32", help="of weights and products (default: float32)")
    add("--chunk-tokens", type=int, default=CHUNK_TOKENS, help=f"computed in one pass (default: {CHUNK_TOKENS:,})")
    add("--device", default="auto", help="cpu, cuda, or auto: cuda where there is one (default: auto)")
    add("--debug", action="store_true", help="show the traceback of an error")
    return top


def questions(chosen: argparse.Namespace) -> Questions:
    """What the options ask.

    Raises:
        RecipeError: A number is out of range, there is no such task, or it needs what was not given.
    """
    default = [*OF_CORPUS] * bool(chosen.corpus) + ["nlp"] * bool(chosen.data)
    names = [name.strip() for name in chosen.tasks.split(",") if name.strip()] or default
    of_corpus = tuple(name for name in OF_CORPUS if name in names)
    tasks = listed.chosen([name for name in names if name not in OF_CORPUS])
    needs = [("--corpus", bool(of_corpus) and not chosen.corpus, f"{', '.join(of_corpus)}")]
    needs += [("--data", bool(tasks) and not chosen.data, ", ".join(task.name for task in tasks[:3]))]
    needs += [("--corpus or --data", not names, "anything")]
    for option, lacking, what in needs:
        if lacking:
            raise RecipeError(f"there is no {option} to score {what} on", where="--tasks", remedy=f"give {option}")
    for option in ("limit", "window", "stride"):
        if getattr(chosen, option) < 0:
            raise RecipeError(
                f"{getattr(chosen, option)} is less than none", where=f"--{option}", remedy="give a count"
            )
    return Questions(
        checkpoint=chosen.checkpoint,
        vocabulary=chosen.vocabulary,
        corpus=chosen.corpus,
        data=chosen.data,
        of_corpus=of_corpus,
        tasks=tasks,
        shots=_shots(chosen.shots, chosen.seed, chosen.preamble),
        required=chosen.require,
        limit=chosen.limit,
        window=chosen.window,
        stride=chosen.stride,
        begins=chosen.begin == "document",
        dtype=chosen.dtype,
        chunk_tokens=chosen.chunk_tokens,
        device=chosen.device,
        out=chosen.out,
    )


def _shots(said: str, seed: int, preamble: Preamble) -> tuple[Shots, ...]:
    try:
        counts = [int(each) for each in said.split(",")]
        if min(counts) < 0:
            raise ValueError
    except ValueError:
        raise RecipeError(
            f"{said!r} are no numbers of examples", where="--shots", remedy="give for instance 0,1,32"
        ) from None
    return tuple(Shots(count, seed, preamble) for count in sorted(set(counts)))
