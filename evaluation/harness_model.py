"""Our models under lm-evaluation-harness, scored by our scorer: what begins alike is computed once.

What is asked is what lm-eval's own HFLM asks of the exported model, token for token, so that scores are the same:

- White space at the end of a context goes to its continuation, and a continuation is what the encoding of both
  has more than that of the context.
- A text begins behind the end of another document, as in training: "</s>" or "<|endoftext|>", once. HFLM does so
  since late 2025, by the tokenizer's default; OPT numbers of before, 2023's among them, are of texts that begin
  behind nothing (`begins=False`). An empty context is that one id either way.
- A rolling request's first token is predicted by that id too, and it stands there once. HFLM by default puts it
  there twice, and scores the second one (its issue 3333): its `add_bos_token=False` asks what we ask.
- What is longer than the window loses its beginning, which may be that id or a part of an example, as lm-eval has
  it; how many did is counted and said.

A text never holds a marker: "</s>" written out is four characters here, and one id to HFLM. The embedding's rows
behind the vocabulary (padding, OPT's 50,265 to 50,271) get no probability here, and a little there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice, pairwise
from typing import Any, Final

import numpy as np
from lm_eval import simple_evaluate
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.models.utils import normalize_gen_kwargs
from lm_eval.tasks import TaskManager
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window, make_table

from corpus.document import Texts
from corpus.encoders import best_encoder, choose_encoder
from corpus.errors import RecipeError, SourceError
from evaluation.chunks import score_all
from evaluation.prompts import Ids
from evaluation.request import Request
from evaluation.scorer import Scorer
from training.generate import generate
from training.saved_model import SavedModel

_NEW_TOKENS: Final = 256  # source: lm-eval, HFLM.max_gen_toks: of a task that names no number
_UNDERSTOOD: Final = {"until", "max_gen_toks", "do_sample", "temperature", "top_p"}
_OF_A_DRAW: Final = {"top_k", "min_p", "typical_p"}  # decide nothing where nothing is drawn


class HarnessModel(LM):
    """A model of ours, for lm-eval's `simple_evaluate(model=...)`.

    Args:
        saved: The model.
        chunk_tokens: Tokens that are computed in one pass.
        begins: Whether a text begins behind the end of another document.
        progress: Is told after each pass: (name, done, of how many).
    """

    def __init__(
        self,
        saved: SavedModel,
        chunk_tokens: int,
        begins: bool = True,
        progress: Callable[[str, int, int], None] = lambda name, done, total: None,
    ) -> None:
        super().__init__()
        self.cut = 0
        self._saved, self._progress, self._chunk_tokens = saved, progress, chunk_tokens
        self._end = saved.vocabulary.end_of_document
        self._begin = [self._end] if begins else []
        self._window = saved.model.shape.positions
        self._scorer = Scorer(saved.model, saved.vocabulary.size)
        self._encoder = choose_encoder(best_encoder())

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """For each (context, continuation): its log-probability, and whether each token was the likeliest."""
        pairs = [_at_white_space(*request.args) for request in requests]
        contexts = self._encode([context for context, _ in pairs])
        wholes = self._encode([context + continuation for context, continuation in pairs])
        asked = []
        for (context, continuation), before, whole in zip(pairs, contexts, wholes, strict=True):
            ids = [*(self._begin if context else [self._end]), *before.tolist(), *whole[len(before) :].tolist()]
            scored = len(whole) - len(before)
            if not 0 < scored <= self._window:
                raise SourceError(
                    f"a continuation has {max(scored, 0):,} tokens, and should have from 1 to {self._window:,}",
                    where=f"{continuation[:40]!r}, behind {context[-40:]!r}",
                    remedy="leave its task out: lm-eval cannot score it either",
                )
            asked.append(self._request(ids, scored))
        return [
            (math.fsum(each.logprobs), bool(each.greedy.all())) for each in self._score("loglikelihood", asked)
        ]

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """For each (text,): its log-probability, all tokens of it, each behind as many others as fit."""
        asked: list[Request] = []
        bounds = [0]
        for tokens in self._encode([request.args[0] for request in requests]):
            windows = get_rolling_token_windows(tokens.tolist(), self._end, self._window, 1)
            for context, continuation in map(make_disjoint_window, windows):
                asked.append(self._request([*context, *continuation], len(continuation)))
            bounds.append(len(asked))
        found = [math.fsum(each.logprobs) for each in self._score("rolling", asked)]
        return [math.fsum(found[first:end]) for first, end in pairwise(bounds)]

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """For each (context, options): what goes on from it, up to the first of the strings that are to end it."""
        found: list[str] = []
        seen: Counter[str] = Counter()
        for context, options in (request.args for request in requests):
            found.append(self._generated(context, options, seen[context]))
            seen[context] += 1
            self._progress("generation", len(found), len(requests))
        return found

    def get_model_info(self) -> dict[str, Any]:
        """What lm-eval writes of a model into its results."""
        return {
            "model": self._saved.name,
            "model_sha": self._saved.digest,
            "model_num_parameters": self._saved.parameters,
            "begins_with": self._begin[0] if self._begin else None,
            "window": self._window,
        }

    def _encode(self, texts: Sequence[str]) -> list[Ids]:
        tokens = self._encoder.encode(Texts.from_list([text.encode() for text in texts]))
        return [self._saved.vocabulary.from_gpt2[tokens[row]] for row in range(len(texts))]

    def _request(self, ids: list[int], scored: int) -> Request:
        self.cut += len(ids) > self._window + 1
        return Request(np.array(ids[-(self._window + 1) :], np.uint16), scored)

    def _score(self, name: str, asked: Sequence[Request]) -> Any:
        return score_all(
            self._scorer, asked, self._chunk_tokens, lambda done, total: self._progress(name, done, total)
        )

    def _generated(self, context: str, options: dict[str, Any], sample: int) -> str:
        chosen = normalize_gen_kwargs(options, _NEW_TOKENS)
        top_p = _nucleus(chosen)
        room = self._window - chosen["max_gen_toks"]
        if room < 1:
            raise RecipeError(
                f"{chosen['max_gen_toks']:,} new tokens leave no place for a context in {self._window:,}",
                where="max_gen_toks of a task",
                remedy="leave the task out, or give it a lower max_gen_toks in a file of --include-path",
            )
        (own,) = self._encode([context])
        prompt = [*(self._begin if len(own) else [self._end]), *own.tolist()]
        self.cut += len(prompt) > room
        vocabulary, text = self._saved.vocabulary, ""
        ids: list[int] = []
        coming = generate(self._saved.model, prompt[-room:], self._end, top_p, sample)
        for token in islice(coming, chosen["max_gen_toks"]):
            if token >= vocabulary.size:
                continue
            ids.append(token)
            text = vocabulary.decode(ids).decode(errors="replace")
            ends = [text.find(stop) for stop in chosen["until"] if stop and stop in text]
            if ends:
                return text[: min(ends)]
        return text


def _at_white_space(context: str, continuation: str) -> tuple[str, str]:
    """White space at the end of a context goes to the continuation: GPT-2's tokens hold it in front."""
    kept = context.rstrip()
    return kept, context[len(kept) :] + continuation


def _nucleus(chosen: dict[str, Any]) -> float:
    """The probability to draw from; 0 for always the likeliest.

    Raises:
        RecipeError: The task wants another way of choosing tokens.
    """
    drawn = bool(chosen["do_sample"])
    odd = chosen.keys() - _UNDERSTOOD - (set() if drawn else _OF_A_DRAW)
    if drawn and float(chosen.get("temperature", 1.0)) != 1.0:
        odd |= {"temperature"}
    if odd:
        raise RecipeError(
            f"tokens are not chosen by {', '.join(sorted(odd))} here",
            where="generation_kwargs of a task",
            remedy="give it do_sample: false, or top_p alone, in a file of --include-path",
        )
    return float(chosen.get("top_p", 1.0)) if drawn else 0.0


def score(
    model: HarnessModel, names: Sequence[str], include_path: str | None, shots: int | None, limit: float | None
) -> dict[str, Any]:
    """What lm-eval makes of a model's answers, without the answers.

    Args:
        model: It.
        names: Of lm-eval's tasks, groups or tags.
        include_path: A folder of further task files.
        shots: Worked examples; None for each task's own number.
        limit: Items of a task, or below 1 such a part of them; None for all.

    Raises:
        RecipeError: There is no such task.
        SourceError: Its test set is not there.
    """
    tasks = TaskManager(include_path=include_path, include_defaults=False)
    if not set(names) <= set(tasks.all_tasks):  # lm-eval's own are thousands of files to look into
        tasks = TaskManager(include_path=include_path)
    if missing := sorted(set(names) - set(tasks.all_tasks)):
        raise RecipeError(
            f"lm-eval has no task {', '.join(missing)}",
            where="--tasks",
            remedy="choose of `lm-eval ls tasks`, or name the folder of your own with --include-path",
        )
    try:
        loaded = tasks.load([*names])
    except (OSError, ValueError) as error:  # what Hugging Face's libraries raise of a set that is not there
        raise SourceError(
            f"a test set cannot be had: {str(error).partition(chr(10))[0]}",
            where=f"--tasks {','.join(names)}",
            remedy="let lm-eval download it with --fetch, or describe your own files in --include-path",
        ) from error
    found: dict[str, Any] = simple_evaluate(
        model=model,
        tasks=[*loaded["tasks"].values()] if not loaded["groups"] else [*names],
        num_fewshot=shots,
        limit=limit,
        task_manager=tasks,
        log_samples=False,
    )
    return found


def table(results: dict[str, Any]) -> str:
    """What a person sees of them: lm-eval's own tables, of tasks and of groups."""
    return "\n".join(make_table(results, kind) for kind in ("results", "groups") if results.get(kind))
