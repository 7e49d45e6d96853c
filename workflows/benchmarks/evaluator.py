"""The evaluator beside lm-evaluation-harness's own model, on the same tokens: CPU seconds, and the answers.

    workflows/benchmarks/peers/install
    python workflows/benchmarks/evaluator.py --data DIR --peers .venv-peers/bin/python

HellaSwag's first items, from DIR as `evaluation/run.py --data` has it, by a model of OPT-125M's shape and random
weights, fp32, one thread each: without examples, behind eight examples drawn for each item, and behind the same
eight for all. Both sides score the same ids, made once, ours as `evaluation/run.py` does, chunk by chunk; they
take turns, and what stands in RESULTS.md are medians. Writes the section "evaluator" there.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import torch
from results import machine, table, write_section

from corpus.encoders import best_encoder, choose_encoder
from corpus.tokenizer import GPT2_SIZE, load_vocabulary
from evaluation.chunks import chunks, score_chunk
from evaluation.forest import BLOCK_ROWS, Forest
from evaluation.options import CHUNK_TOKENS
from evaluation.prompts import Prompt, Prompter
from evaluation.scorer import Scorer
from evaluation.shots import Preamble, Shots
from evaluation.task_files import TaskData, read_task, required
from evaluation.tasks.hellaswag import TASK
from training.config import load_run
from training.hugging_face import load_model, write_model
from training.initialise import initialise
from training.model import Opt

HERE = Path(__file__).resolve().parent
BATCH = 16  # requests of a batch of the peer's
SHOTS = 8
SPREAD = 4.0  # of the weights, above OPT's initial ones: at those every id is as likely as any other
PROFILED = 60  # items
BLOCKS, CHUNKS = (32, 64, 128, 256, 512), (1024, 2048, 4096, 8192, 16384)


@dataclass(frozen=True)
class Case:
    """What is scored.

    Attributes:
        name: As it stands in the table.
        prompts: Of each item, four requests.
        must: By what our CPU seconds are to be fewer.
        moonshot: By what we should like them to be.
    """

    name: str
    prompts: list[Prompt]
    must: float
    moonshot: float

    def requests(self) -> list[Any]:
        return [request for prompt in self.prompts for request in prompt.requests]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of test sets")
    parser.add_argument("--peers", default=".venv-peers/bin/python", help="the Python of the peers")
    parser.add_argument("--items", type=int, default=200, help="without examples (default: 200)")
    parser.add_argument("--shown-items", type=int, default=32, help="behind examples (default: 32)")
    parser.add_argument("--turns", type=int, default=3, help="of each side (default: 3)")
    parser.add_argument("--sizes", action="store_true", help="also measure other sizes of chunks and blocks")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    data = required(read_task(TASK, chosen.data))
    with tempfile.TemporaryDirectory() as work:
        model = build_model(str(Path(work, "model")))
        cases = build_cases(data, model, chosen.items, chosen.shown_items)
        scorer = Scorer(model, GPT2_SIZE)
        run(scorer, cases[0].prompts[:4])  # what is made once is made
        with peer(chosen.peers, str(Path(work, "model"))) as (versions, ask):
            rows = [_row(case, scorer, ask, Path(work, "requests.json"), chosen.turns) for case in cases]
        profiled = profile(scorer, cases[0].prompts[:PROFILED])
        sizes = try_sizes(scorer, cases) if chosen.sizes else ""
    text = section(cases, rows, chosen.turns, versions, profiled, sizes)
    print(text)
    write_section("evaluator", text)


def build_model(folder: str) -> Opt:
    """OPT-125M's shape, as many rows of the embedding as ids: nothing is to be left out on either side."""
    shape = msgspec.structs.replace(load_run(str(HERE.parent / "runs/opt-125m.toml")).model, vocabulary=GPT2_SIZE)
    model = Opt(shape)
    initialise(model, shape, seed=1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(SPREAD if parameter.dim() > 1 else 1)
    write_model(folder, model.state_dict(), shape, load_vocabulary("gpt2"))
    return load_model(folder)


def build_cases(data: TaskData, model: Opt, items: int, shown_items: int) -> list[Case]:
    vocabulary = load_vocabulary("gpt2")
    prompter = Prompter(
        choose_encoder(best_encoder()), vocabulary, model.shape.positions, (vocabulary.end_of_document,)
    )

    def prompts(count: int, shots: int, preamble: Preamble = "drawn") -> list[Prompt]:
        drawn = Shots(shots, 0, preamble)
        made = [prompter.prompt(TASK, item, drawn.draw(TASK.name, item, data.pool)) for item in data.items[:count]]
        return [prompt for prompt in made if prompt is not None]

    return [
        Case("zero-shot", prompts(items, 0), 1.8, 2.5),
        Case("8-shot, drawn", prompts(shown_items, SHOTS), 4, 5),
        Case("8-shot, fixed", prompts(shown_items, SHOTS, "fixed"), 6, 15),
    ]


def run(scorer: Scorer, prompts: Sequence[Prompt], tokens: int = CHUNK_TOKENS) -> tuple[float, list[float]]:
    """CPU seconds, and the log-probability of each request."""
    start = time.process_time()
    samples = [each for chunk in chunks(prompts, tokens) for each in score_chunk(scorer, TASK.name, 0, chunk)]
    spent = time.process_time() - start
    return spent, [math.fsum(choice.logprobs) for sample in samples for choice in sample.choices]


@contextmanager
def peer(python: str, folder: str) -> Iterator[tuple[dict[str, str], Callable[[Path], dict[str, Any]]]]:
    """The versions of a process of the peer's, and what asks it to score a file."""
    command = [python, str(HERE / "peers/harness_hflm.py"), folder, "--batch", str(BATCH)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("Popen gave no pipes")
        asked, answers = process.stdin, process.stdout

        def ask(path: Path) -> dict[str, Any]:
            print(path, file=asked, flush=True)
            found: dict[str, Any] = json.loads(answers.readline())
            return found

        yield json.loads(answers.readline()), ask
        asked.close()


def _row(
    case: Case, scorer: Scorer, ask: Callable[[Path], dict[str, Any]], path: Path, turns: int
) -> dict[str, Any]:
    """Both sides, in turns; the order changes each time."""
    pairs = [(each.ids[: -each.scored].tolist(), each.ids[-each.scored :].tolist()) for each in case.requests()]
    path.write_text(json.dumps(pairs))
    own: list[float] = []
    their: list[float] = []
    far = 0.0
    for turn in range(turns):
        answer = ask(path) if turn % 2 else None
        spent, found = run(scorer, case.prompts)
        answer = answer or ask(path)
        own.append(spent)
        their.append(answer["cpu_s"])
        far = max(far, *(abs(a - b) for a, b in zip(found, answer["logprobs"], strict=True)))
        print(f"{case.name}: {spent:.1f} s of {answer['cpu_s']:.1f}, {far:.1e} apart", file=sys.stderr, flush=True)
    ratio = statistics.median(b / a for a, b in zip(own, their, strict=True))
    return {"own": statistics.median(own), "their": statistics.median(their), "ratio": ratio, "far": far}


def computed(prompts: Sequence[Prompt]) -> int:
    """Rows that our side computes."""
    return sum(
        len(Forest.of([request for prompt in chunk for request in prompt.requests]).token)
        for chunk in chunks(prompts, CHUNK_TOKENS)
    )


def profile(scorer: Scorer, prompts: Sequence[Prompt]) -> list[list[object]]:
    """Where our time goes: operation, share of it, calls."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as found:
        start = time.perf_counter()  # the profiler's own clock
        run(scorer, prompts)
        whole = time.perf_counter() - start
    events = sorted(found.key_averages(), key=lambda event: -event.self_cpu_time_total)
    rows: list[list[object]] = [
        [event.key, f"{event.self_cpu_time_total / 1e4 / whole:.1f}%", f"{event.count:,}"] for event in events[:10]
    ]
    rest = 1 - sum(event.self_cpu_time_total for event in events[:10]) / 1e6 / whole
    return [*rows, ["all else, Python included", f"{100 * rest:.1f}%", ""]]


def try_sizes(scorer: Scorer, cases: Sequence[Case]) -> str:
    """A table of CPU seconds, of a part of each case, by rows of a block and tokens of a chunk."""
    parts = [cases[0].prompts[:PROFILED], cases[1].prompts[:6], cases[2].prompts]
    rows = []
    for block in BLOCKS:
        other = replace(scorer, block_rows=block)
        rows.append([f"blocks of {block}", *(run(other, part)[0] for part in parts)])
    for chunk in CHUNKS:
        rows.append([f"chunks of {chunk:,}", *(run(scorer, part, chunk)[0] for part in parts)])
    heads = ["", *(f"{len(part)} items, {case.name}" for case, part in zip(cases, parts, strict=True))]
    return table(heads, rows)


def section(
    cases: Sequence[Case],
    rows: Sequence[dict[str, Any]],
    turns: int,
    versions: dict[str, str],
    profiled: Sequence[Sequence[object]],
    sizes: str,
) -> str:
    heads = ["", "items", "tokens asked", "computed", "ours, s", "HFLM, s", "ratio", "must", "moonshot", "apart"]
    body = [
        [
            case.name,
            f"{len(case.prompts):,}",
            f"{sum(len(each.ids) - 1 for each in case.requests()):,}",
            f"{computed(case.prompts):,}",
            row["own"],
            row["their"],
            row["ratio"],
            f"{case.must:g}",
            f"{case.moonshot:g}",
            f"{row['far']:.1e}",
        ]
        for case, row in zip(cases, rows, strict=True)
    ]
    command = f"evaluator.py --data DIR --shown-items {len(cases[1].prompts)} --turns {turns}"
    told = f"{turns} {'turn' if turns == 1 else 'turns'}"
    peers = ", ".join(f"{name} {version}" for name, version in versions.items() if name != "python")
    tried = f"""
Ours alone, CPU seconds by rows of a block and tokens of a chunk; in use are {BLOCK_ROWS} and {CHUNK_TOKENS:,}:

{sizes}
"""
    return f"""## Evaluator

`python workflows/benchmarks/{command}`: HellaSwag's first items,
by a model of OPT-125M's shape and random weights, fp32, one thread each; CPU seconds, medians of {told},
on {machine()}; torch {torch.__version__}.
The peer is lm-eval's HFLM in batches of {BATCH}, given the same ids: {peers}.
Ours computes chunks of {CHUNK_TOKENS:,} tokens in blocks of {BLOCK_ROWS} rows (`--sizes` measures others).
"apart" is the greatest difference between the two sides' log-probabilities of a request.

{table(heads, body)}

Ours, without examples, {PROFILED} items, by what torch's profiler says:

{table(["operation", "time", "calls"], profiled)}
{tried if sizes else ""}"""


if __name__ == "__main__":
    main()
