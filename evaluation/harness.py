"""The command line that scores a model by tasks of lm-evaluation-harness, which has thousands.

    python evaluation/harness.py --checkpoint runs/tiny --tasks arc_easy,lambada_openai --limit 100 --out arc.json

Tasks, and the options that bear lm-eval's names, are its own. What a text begins with, and what becomes of one
that is longer than the window: evaluation/harness_model.py. Nothing is fetched unless `--fetch` says so. torch and
lm-eval are imported once the arguments are seen to be right.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # started as a script: the packages lie one folder up
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from corpus.errors import RecipeError, StoreError, TokentrailError
from evaluation.options import CHUNK_TOKENS, DTYPES


def options() -> argparse.ArgumentParser:
    """The options of the command line."""
    top = argparse.ArgumentParser(
        prog="harness.py", description="Scores a model by tasks of lm-evaluation-harness."
    )
    add = top.add_argument
    add("--checkpoint", required=True, help="the folder of a run, or of a model in Hugging Face's form")
    add("--tasks", required=True, help="names of lm-eval's tasks or groups, for instance arc_easy,lambada_openai")
    add("--out", required=True, help="the file that lm-eval's results are written to, as JSON")
    add("--include-path", help="a folder of task files of your own; lm-eval's are looked at for the others alone")
    add("--num-fewshot", type=int, help="worked examples before an item (default: the task's own number)")
    add("--limit", type=float, help="at most so many items of a task; below 1, such a part of them")
    add("--fetch", action="store_true", help="let lm-eval download the test sets that it has not kept")
    add("--begin", choices=["document", "nothing"], default="document", help="what a text begins with")
    add("--vocabulary", default="", help="of a run's checkpoint: gpt2, or the path of OPT's gpt2-vocab.json")
    add("--dtype", choices=DTYPES, default="float32", help="of weights and products (default: float32)")
    add("--chunk-tokens", type=int, default=CHUNK_TOKENS, help=f"computed in one pass (default: {CHUNK_TOKENS:,})")
    add("--device", default="auto", help="cpu, cuda, or auto: cuda where there is one (default: auto)")
    add("--debug", action="store_true", help="show the traceback of an error")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit code.

    0 done, 1 a check failed, 2 the user's mistake, 130 interrupted.
    """
    chosen = options().parse_args(argv)
    try:
        _write(Path(chosen.out), _score(chosen))
    except TokentrailError as error:
        if chosen.debug:
            raise
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted: nothing is written", file=sys.stderr)
        return 130
    return 0


def _score(chosen: argparse.Namespace) -> dict[str, Any]:
    names = [name.strip() for name in chosen.tasks.split(",") if name.strip()]
    if not names:
        raise RecipeError("no task is named", where="--tasks", remedy="give for instance arc_easy")
    if not Path(chosen.out).resolve().parent.is_dir():
        raise StoreError("its folder is not there", where=chosen.out, remedy="make it, or name another --out")
    if not chosen.fetch:  # read when Hugging Face's libraries are imported
        os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if not importlib.util.find_spec("lm_eval"):
        raise RecipeError(
            "lm-evaluation-harness is not installed", where="lm_eval", remedy="pip install 'tokentrail[harness]'"
        )
    import torch

    from evaluation.harness_model import HarnessModel, score, table
    from evaluation.progress import Progress
    from training.saved_model import open_model

    device = chosen.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    saved = open_model(
        chosen.checkpoint,
        chosen.vocabulary,
        getattr(torch, chosen.dtype),
        device,
        lambda line: print(line, file=sys.stderr),
    )
    model = HarnessModel(saved, chosen.chunk_tokens, chosen.begin == "document", Progress(True))
    results = score(model, names, chosen.include_path, chosen.num_fewshot, chosen.limit)
    print(table(results))
    if model.cut:
        print(f"cut  {model.cut:,} texts were longer than the window, and lost their beginning")
    return results


def _write(path: Path, results: dict[str, Any]) -> None:
    try:
        path.write_text(json.dumps(results, indent=1, sort_keys=True, default=str) + "\n")
    except OSError as error:
        raise StoreError(
            f"cannot write the results: {error.strerror}", where=str(path), remedy="name another file with --out"
        ) from error
    print(f"wrote {path}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
