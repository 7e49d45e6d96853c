"""What others reached, in a line a task: GPT-3's eight sizes, OPT-175B, and OPT's smaller sizes elsewhere."""

from __future__ import annotations

from typing import Final

from evaluation.tasks.task import Published

# Table 2.1 of GPT-3 (arXiv 2005.14165); "Small", "Medium", "Large" and "XL" are the first four.
GPT3_SIZES: Final = ("125M", "350M", "760M", "1.3B", "2.7B", "6.7B", "13B", "175B")
# Those of OPT (arXiv 2205.01068, table 1) that could be downloaded.
OPT_SIZES: Final = ("125M", "350M", "1.3B", "2.7B", "6.7B", "13B", "30B", "66B")


def gpt3(*values: float) -> tuple[Published, ...]:
    """Zero-shot, from the smallest size on; from memory, and so marked: check them before they are printed.

    Source: GPT-3 (arXiv 2005.14165), table H.1.
    """
    return tuple(
        Published(f"GPT-3 {size}", 0, value, "arXiv 2005.14165, table H.1", verified=False)
        for size, value in zip(GPT3_SIZES, values, strict=True)
    )


def opt_175b(value: float) -> tuple[Published, ...]:
    """Zero-shot, at step 125,000 of its training, by OPT's own suite.

    Source: metaseq's chronicles of OPT-175B, the picture initial_eval_results.jpeg; the paper has curves alone.
    """
    return (Published("OPT 175B", 0, value, "metaseq, OPT-175B chronicles, initial_eval_results", verified=True),)


def opt_by_harness(metric: str, *values: float) -> tuple[Published, ...]:
    """Zero-shot, from the smallest size on, by another suite: its prompts and its normalisation are not GPT-3's.

    Source: lm-evaluation-harness v0.3, results/opt at commit 8090cda7 (run without the token OPT begins with).
    """
    source = f"lm-evaluation-harness v0.3 (8090cda7), {metric}"
    return tuple(
        Published(f"OPT {size}", 0, value, source, verified=True)
        for size, value in zip(OPT_SIZES, values, strict=True)
    )


def opt_by_mobilellm(*values: float) -> tuple[Published, ...]:
    """Zero-shot, of 125M and 350M, by a third suite.

    Source: MobileLLM's README (facebookresearch/MobileLLM), the table of models below 1B.
    """
    return tuple(
        Published(f"OPT {size}", 0, value, "facebookresearch/MobileLLM, README", verified=True)
        for size, value in zip(OPT_SIZES, values, strict=False)
    )
