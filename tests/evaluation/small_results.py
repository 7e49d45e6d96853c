"""Made-up tasks and samples of made-up checkpoints: the same on every machine, and of a chosen skill."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from evaluation.item import Example, Item
from evaluation.results import CheckpointEntry, CorpusEntry, Results, SettingsEntry, write_results
from evaluation.sample import Sample, ScoredChoice
from evaluation.sample_file import read_samples
from evaluation.tally import ScoredSource, ScoredTask, Tally, results_of
from evaluation.tasks.task import Published, Row, Task
from evaluation.window_loss import Windows


def _no_rows(path: Path) -> Iterator[tuple[str, Row]]:
    yield from ()


def _no_item(key: str, row: Row) -> list[Item]:
    return []


def _no_example(key: str, row: Row) -> list[Example]:
    return []


def task(name: str, **changed: object) -> Task:
    """A task of whose rows nothing is known."""
    plain = Task(
        name=name,
        title=name.title(),
        folder=name,
        files=("validation.jsonl",),
        pool=(),
        rows=_no_rows,
        item=_no_item,
        examples=_no_example,
        judged_by="token",
        counted="item",
        chance=25.0,
        prompt="unverified: made up",
        licence="none",
        origin="nowhere",
    )
    return Task(**{**{field: getattr(plain, field) for field in plain.__dataclass_fields__}, **changed})  # type: ignore[arg-type]


def published(shots: int | None, verified: bool = True, **values: float) -> tuple[Published, ...]:
    """`OPT_125M=31.4` is OPT 125M's number."""
    return tuple(
        Published(name.replace("GPT3", "GPT-3").replace("_", " "), shots, value, "a made-up table", verified)
        for name, value in values.items()
    )


CHOOSE = task("choose", published=published(0, OPT_125M=31.4, OPT_175B=70.1) + published(0, False, GPT3_125M=33.7))
LABEL = task("label", judged_by="sum", chance=33.3, classes=("true", "false", "neither"))
EXAM = task("exam", judged_by="unconditional", unconditional="Answer:", published=published(32, GPT3_125M=41.0))
READING = task("reading", counted="question", chance=2.5)
TASKS = (CHOOSE, LABEL, EXAM, READING)
_CHOICES = {"choose": 4, "label": 3, "exam": 4, "reading": 2}


def choice(*logprobs: float, length: int = 0, unconditional: float | None = None) -> ScoredChoice:
    """An answer of as many tokens as there are log-probabilities, and of so many characters, or four a token."""
    characters = length or 4 * len(logprobs)
    return ScoredChoice(
        logprobs=logprobs, characters=characters, bytes=characters + 1, unconditional=unconditional, greedy=False
    )


def sample(
    key: str, choices: Sequence[ScoredChoice], right: int | tuple[int, ...] = 0, **changed: object
) -> Sample:
    """An item of the task "choose" without shots."""
    plain = Sample(
        task="choose",
        shots=0,
        key=key,
        question="",
        right=(right,) if isinstance(right, int) else right,
        shown=0,
        prompt=hashlib.sha256(key.encode()).hexdigest()[:16],
        tokens=20,
        choices=tuple(choices),
    )
    return msgspec.structs.replace(plain, **changed)


def samples(of: Task, shots: int, skill: float, items: int, who: str) -> list[Sample]:
    """Items that are the same for everyone; of whose answers someone knows so many more than guessing gives."""
    asked, answers = random.Random(of.name), random.Random(f"{of.name} {who} {shots}")
    made = []
    for number in range(items):
        size = _CHOICES.get(of.name, 4)
        right, tokens = asked.randrange(size), asked.randint(1, 4)
        best = right if answers.random() < skill + 0.002 * shots else answers.randrange(size)
        scored = []
        for place in range(size):
            # Sixteenths add up exactly, whoever adds them in whatever order.
            low, high = (1, 16) if place == best else (16, 96)
            logprobs = [-answers.randrange(low, high) / 16 for _ in range(tokens)]
            away = -6.0 * tokens if of.unconditional else None
            scored.append(choice(*logprobs, length=5 + asked.randrange(20), unconditional=away))
        key = f"{of.name}-{number}"
        prompt = hashlib.sha256(f"{key} {shots}".encode()).hexdigest()[:16]
        question = f"question {number // 3}" if of.counted == "question" else ""
        shown = min(shots, 27)
        made.append(
            sample(key, scored, right, task=of.name, shots=shots, question=question, shown=shown, prompt=prompt)
        )
    return made


def evaluate(
    folder: Path,
    name: str = "small",
    skill: float = 0.3,
    tasks: Sequence[Task] = TASKS,
    shots: Sequence[int] = (0, 1, 32),
    **changed: object,
) -> Results:
    """Writes results and samples as a run would; `parameters`, `items`, and what else a tally holds, as named."""
    (folder / "samples").mkdir(parents=True)
    parameters, items = changed.pop("parameters", 11_200_000), changed.pop("items", 60)
    assert isinstance(parameters, int) and isinstance(items, int)
    done = []
    for of in tasks:
        for count in shots:
            file = f"samples/{of.name}-{count}.jsonl"
            made = samples(of, count, skill, items, name)
            (folder / file).write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in made))
            again, digest = read_samples(folder / file, of.name, count)
            done.append(
                ScoredTask(
                    task=of,
                    shots=count,
                    samples=again,
                    file=file,
                    file_sha256=digest,
                    files={f"{of.folder}/validation.jsonl": hashlib.sha256(of.name.encode()).hexdigest()},
                    skipped={"malformed": 2, "too long": 0} if of.name == "label" else {},
                    leave_one_out=of.name == "exam",
                )
            )
    settings = {"shots": tuple(shots), "preamble": "drawn", "begins_with": 2, "window": 2048, "stride": 1024}
    tally: Mapping[str, object] = {
        "checkpoint": CheckpointEntry(
            name=name, digest=hashlib.sha256(name.encode()).hexdigest(), parameters=parameters
        ),
        "settings": SettingsEntry(**settings, limit=None, seed=1),  # type: ignore[arg-type]
        "corpus": CorpusEntry(ref="build/refs/sample/1.0.0", digest="c" * 64),
        "versions": {"tokentrail": "0.1.0", "torch": "2.11.0"},
        "tasks": done,
        "missing": {"storycloze": "StoryCloze, by request: https://cs.rochester.edu/nlp/rocstories"},
        "averaged": tuple(of.name for of in tasks),
        "sources": [
            ScoredSource("prose", windows(3.0 - skill, 40)),
            ScoredSource("web", windows(4.0 - skill, 12), {"windows too short": 3}),
        ],
    }
    results = results_of(Tally(**{**tally, **changed}))  # type: ignore[arg-type]
    write_results(folder, results)
    return results


def windows(nats: float, number: int) -> Windows:
    """Windows of 512 tokens whose losses lie about so many nats a token."""
    drawn = random.Random(number)
    losses = np.array([512 * nats * drawn.randrange(80, 121) / 100 for _ in range(number)])
    size = np.full(number, 512)
    return Windows(losses, size, 4 * size, size - 2)
