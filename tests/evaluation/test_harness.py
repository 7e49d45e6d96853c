"""lm-evaluation-harness as the judge: our scores are its scores, and our models answer its tasks as its own do."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import SHAPE, write
from small_sets import HELLASWAG, WIKIHOW, read
from small_sets import write as write_set

from corpus.encoders import choose_encoder
from corpus.errors import TokentrailError
from evaluation import harness
from evaluation.chunks import chunks, score_chunk
from evaluation.metrics import score as score_samples
from evaluation.prompts import Prompter
from evaluation.sample import Sample
from evaluation.scorer import Scorer
from evaluation.tasks.listed import find
from training.saved_model import open_model

lm_eval = pytest.importorskip("lm_eval")
pytest.importorskip("accelerate")

import datasets  # noqa: E402
from lm_eval.api.instance import Instance  # noqa: E402
from lm_eval.models.huggingface import HFLM  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

from evaluation.harness_model import HarnessModel  # noqa: E402

ROOT = Path(__file__).parents[2]
COLUMNS = {"acc": "sum", "acc_norm": "character", "acc_bytes": "byte"}
WORDS = ["lamp", "gull", "quay", "net", "goat", "naïve crab", "7 ropes", "日本", "storm", "old keeper"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(str(tmp_path_factory.mktemp("exported") / "model"))


@pytest.fixture(scope="module")
def judges(folder: str) -> dict[bool, Any]:
    """lm-eval's own model of the exported weights: texts begin behind the end of a document, or behind nothing."""
    settings = {"pretrained": folder, "device": "cpu", "dtype": "float32"}
    return {
        True: HFLM(**settings, batch_size=4),
        False: HFLM(**settings, batch_size=1, add_bos_token=False),
    }


def ours(folder: str, begins: bool = True, tokens: int = 200) -> HarnessModel:
    return HarnessModel(open_model(folder, "", torch.float32, "cpu", print), tokens, begins)


def instances(kind: str, asked: list[tuple[Any, ...]]) -> list[Any]:
    return [Instance(kind, {}, each, number) for number, each in enumerate(asked)]


PAIRS = [
    ("The keeper watched the", " harbour"),
    ("The keeper watched the", " gulls over the harbour, all night."),
    ("The keeper watched the ", "harbour"),  # white space goes to the continuation
    ("The keeper watched the\n\n", "Question: 日本?"),
    ("The keeper watch", "es it"),  # no border of tokens: scored is what the whole has more
    ("", "A lamp."),
    ("", " A lamp."),
    ("naïve 日本", " x"),
    ("Page 7. " * 40, " of nine hundred"),  # longer than the window: the beginning is cut off
    ("One ends where", " another begins"),
    ("One ends where", " another begins again"),
]


@pytest.mark.parametrize("begins", [True, False], ids=["document", "nothing"])
def test_log_probabilities_are_those_of_its_own_model(folder: str, judges: dict[bool, Any], begins: bool) -> None:
    asked = instances("loglikelihood", PAIRS)
    model = ours(folder, begins)
    found, expected = model.loglikelihood(asked), judges[begins].loglikelihood(asked, disable_tqdm=True)
    for (own, greedy), (their, their_greedy) in zip(found, expected, strict=True):
        assert abs(own - their) <= 1e-4 and greedy == their_greedy
    assert model.cut == 1
    assert len({round(own, 3) for own, _ in found}) >= len(PAIRS) - 1  # "the " and "the" may ask the same


def test_whole_texts_are_scored_as_its_own_model_scores_them(folder: str, judges: dict[bool, Any]) -> None:
    """Its own puts what a text begins with there twice by default; told not to, it is what ours is either way."""
    texts = [("A lamp.",), ("",), ("The keeper watched the harbour, and " * 40,), ("x",)]
    asked = instances("loglikelihood_rolling", texts)
    expected = judges[False].loglikelihood_rolling(asked, disable_tqdm=True)
    for begins in (True, False):
        found = ours(folder, begins).loglikelihood_rolling(asked)
        assert found == pytest.approx(expected, abs=1e-3)
        assert found[1] == 0 and found[2] < -100


def test_what_goes_on_from_a_text_is_what_its_own_model_says(folder: str, judges: dict[bool, Any]) -> None:
    options = [{"until": [], "max_gen_toks": 20}, {"until": ["e"], "max_gen_toks": 20, "do_sample": False}]
    asked = instances("generate_until", [(text, each) for text, _ in PAIRS if text for each in options])
    expected = judges[False].generate_until(asked, disable_tqdm=True)
    assert ours(folder, begins=False).generate_until(asked) == expected
    assert any("e" in text for text in expected[::2]) and not any("e" in text for text in expected[1::2])


def test_a_draw_is_another_each_time_and_the_same_again(folder: str) -> None:
    asked = instances("generate_until", [("A lamp", {"until": ["\n"], "max_gen_toks": 12, "do_sample": True})] * 3)
    found = ours(folder).generate_until(asked)
    assert len(set(found)) == 3
    assert ours(folder).generate_until(asked) == found


COPA = {"premise": "The lamp went out.", "choice1": "It was noon.", "choice2": "The oil was gone.", "label": 1}


def rows(task: str) -> list[dict[str, Any]]:
    """Rows in the publishers' form; answers of very different lengths, so that the columns part."""
    if task == "copa":
        return [
            {
                **COPA,
                "premise": f"The {word} went out.",
                "choice1": f"{WORDS[-at]} fell" + " and fell" * (at % 4) + ".",
                "question": "cause" if at % 3 else "effect",
                "label": at % 2,
                "idx": at,
            }
            for at, word in enumerate(WORDS)
        ]
    made = [{**HELLASWAG, "ind": at, "source_id": f"s~{at}", "label": at % 4} for at in range(9)]
    for at, row in enumerate(made):
        endings = [f"{' '.join(WORDS[(at * 3 + n * k) % 10] for k in range(1 + (at + n) % 5))}." for n in range(4)]
        row |= {"ctx_a": f"A {WORDS[at]} sits on a quay.", "endings": endings}
    return [*made, {**WIKIHOW, "ind": 10}]


@pytest.mark.parametrize("task", ["hellaswag", "copa"])
def test_its_scores_are_ours(task: str, folder: str, judges: dict[bool, Any], tmp_path: Path) -> None:
    """The same contexts and continuations: its accuracy by each rule is our column, on its model and on ours."""
    name = {"hellaswag": "hellaswag/hellaswag_val.jsonl", "copa": "copa/val.jsonl"}[task]
    write_set(tmp_path, name, rows(task))
    items = read(task, tmp_path).items
    saved = open_model(folder, "", torch.float32, "cpu", print)
    prompter = Prompter(
        choose_encoder("tokenizers"), saved.vocabulary, SHAPE.positions, (saved.vocabulary.end_of_document,)
    )
    prompts = [prompter.prompt(find(task), item, []) for item in items]
    scorer = Scorer(saved.model, saved.vocabulary.size)
    samples: list[Sample] = []
    for chunk in chunks([prompt for prompt in prompts if prompt], 300):
        samples += score_chunk(scorer, task, 0, chunk)
    columns = score_samples(find(task), samples).columns

    told = [
        {
            "context": item.choices[0].context,
            "choices": [choice.continuation[1:] for choice in item.choices],
            "label": item.right[0],
        }
        for item in items
    ]
    config = {
        "task": f"as_ours_{task}",
        "custom_dataset": lambda **_: {"validation": datasets.Dataset.from_list(told)},
        "output_type": "multiple_choice",
        "validation_split": "validation",
        "doc_to_text": "context",
        "doc_to_choice": "choices",
        "doc_to_target": "label",
        "target_delimiter": " ",
        "metric_list": [{"metric": metric, "aggregation": "mean", "higher_is_better": True} for metric in COLUMNS],
    }
    for model in (judges[True], ours(folder)):
        found = lm_eval.simple_evaluate(
            model=model, tasks=[config], task_manager=TaskManager(include_defaults=False), bootstrap_iters=0
        )
        result = found["results"][config["task"]]
        for metric, column in COLUMNS.items():
            assert result[f"{metric},none"] * 100 == pytest.approx(columns[column]), (type(model), metric)
        asked = sorted(found["samples"][config["task"]], key=lambda sample: sample["doc_id"])
        for sample, own in zip(asked, samples, strict=True):
            for (their, _), choice in zip(sample["filtered_resps"], own.choices, strict=True):
                assert abs(float(their) - math.fsum(choice.logprobs)) <= 1e-4
    assert len({columns[column] for column in COLUMNS.values()}) > 1  # else it were not seen which is which


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (lambda m: m.loglikelihood(instances("loglikelihood", [("A lamp", "")])), "has 0 tokens"),
        (lambda m: m.loglikelihood(instances("loglikelihood", [("A", " lamp" * 97)])), "has 97 tokens"),
        (lambda m: _generate(m, max_gen_toks=96), "leave no place"),
        (lambda m: _generate(m, num_beams=4), "not chosen by num_beams"),
        (lambda m: _generate(m, do_sample=True, temperature=0.7, top_k=5), "by temperature, top_k here"),
    ],
)
def test_what_cannot_be_answered_is_said(ask: Callable[[HarnessModel], object], what: str, folder: str) -> None:
    with pytest.raises(TokentrailError, match=what) as caught:
        ask(ours(folder))
    assert len(str(caught.value).splitlines()) == 3


def _generate(model: HarnessModel, **options: Any) -> list[str]:
    return model.generate_until(instances("generate_until", [("A lamp", {"until": ["\n"], **options})]))


FILE = """task: keepers
dataset_path: json
dataset_kwargs: {{data_files: {{validation: {rows}, train: {rows}}}}}
output_type: multiple_choice
validation_split: validation
fewshot_split: train
doc_to_text: "{{{{context}}}}"
doc_to_target: label
doc_to_choice: choices
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""


def test_the_command_scores_a_task_file(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TOKENIZERS_PARALLELISM"):
        monkeypatch.setenv(name, "0")  # put back when the test is over, whatever the command makes of them
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    path = tmp_path / "rows.jsonl"
    lines = [{"context": f"The {word} is", "choices": ["lit", "far out at sea"], "label": 1} for word in WORDS]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "keepers.yaml").write_text(FILE.format(rows=path))
    out = tmp_path / "found.json"
    line = [
        "--checkpoint",
        folder,
        "--include-path",
        str(tmp_path / "tasks"),
        "--device",
        "cpu",
        "--out",
        str(out),
    ]
    assert harness.main([*line, "--tasks", "keepers", "--num-fewshot", "8", "--limit", "6"]) == 0
    said = capfd.readouterr().out
    assert "|keepers|" in said and said.endswith(f"wrote {out}\n")
    found = json.loads(out.read_text())
    assert found["n-samples"]["keepers"] == {"original": 10, "effective": 6}
    assert found["n-shot"] == {"keepers": 8}
    assert found["config"]["begins_with"] == 50_256 and len(found["config"]["model_sha"]) == 64
    assert not list(tmp_path.glob(".*"))

    for changed, what in (
        (["--tasks", ","], "no task is named"),
        (["--tasks", "keepers", "--out", str(tmp_path / "no" / "x.json")], "its folder is not there"),
        (["--tasks", "keepers", "--checkpoint", str(tmp_path)], "there is no model here"),
    ):
        assert harness.main([*line, *changed]) == 2
        error = capfd.readouterr().err
        assert what in error and len(error.splitlines()) == 3


def test_help_needs_neither_torch_nor_the_harness() -> None:
    code = "import sys; from evaluation import harness\ntry: harness.main(['--help'])\nexcept SystemExit: pass\n"
    code += "print(sorted({'torch', 'lm_eval', 'datasets', 'transformers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "--include-path" in done.stdout and done.stdout.endswith("[]\n")
