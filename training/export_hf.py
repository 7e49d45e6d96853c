"""The command line that writes a run's last checkpoint as transformers reads it.

    python training/export_hf.py runs/tiny --out runs/tiny/exported

The folder loads in OPTForCausalLM and AutoTokenizer, and in training/generate.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if __package__ in (None, ""):  # started as a script: the packages lie one folder up
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from corpus.errors import SourceError, TokentrailError

DTYPES = ("float32", "float16", "bfloat16")


def export(run_dir: str, out: str, vocabulary: str = "gpt2", dtype: str = "float32") -> int:
    """Writes the folder; gives the step it is of.

    Args:
        run_dir: The folder of a run; its last whole checkpoint is taken, every byte of it read.
        out: The folder to write, which must not be there yet.
        vocabulary: "gpt2", or the file of OPT's: that of the corpus.
        dtype: Of the weights that are written.

    Raises:
        TokentrailError: There is no checkpoint, or what it is to be written with does not fit.
    """
    import torch

    from corpus.tokenizer import load_vocabulary
    from training.canonical_state import weights_of
    from training.checkpoint import load
    from training.hugging_face import write_model
    from training.loop import build_model
    from training.resumption import last_checkpoint

    found = last_checkpoint(run_dir, lambda line: print(line, file=sys.stderr))
    if found is None:
        raise SourceError(
            "there is no checkpoint", where=run_dir, remedy="name the --run-dir of a run that saved one"
        )
    model = build_model(found.commit.config, torch.device("cpu"))
    load(found, weights_of(model))
    kind = getattr(torch, dtype)
    state = {name: each.to(kind) for name, each in model.state_dict().items()}
    write_model(out, state, found.commit.config.model, load_vocabulary(vocabulary))
    return found.commit.step


def options() -> argparse.ArgumentParser:
    """The options of an export."""
    top = argparse.ArgumentParser(prog="export_hf.py", description="Writes a checkpoint as transformers reads it.")
    top.add_argument("run_dir", help="the folder of a run, for instance runs/tiny")
    top.add_argument("--out", required=True, help="the folder to write; it must not be there yet")
    top.add_argument(
        "--vocabulary", default="gpt2", help="gpt2, or the path of OPT's gpt2-vocab.json (default: gpt2)"
    )
    top.add_argument("--dtype", choices=DTYPES, default="float32", help="of the weights (default: float32)")
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit code: 0 done, 1 a check failed, 2 the user's mistake."""
    chosen = options().parse_args(argv)
    try:
        step = export(chosen.run_dir, chosen.out, chosen.vocabulary, chosen.dtype)
        print(f"exported step {step:,} to {chosen.out}")
    except TokentrailError as error:
        if chosen.debug:
            raise
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
