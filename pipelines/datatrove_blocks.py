"""datatrove's filters and formatters as rules of ours: the seam to the library.

A filter gives no number, it gives a reason in words. The ledger's `block` and `reason` are indices: of the block
in the source's list, of the reason among that block's `reasons`; the rules of the stage that read the document
hold both lists. Which blocks there are, and why others are not: `block_list.py`.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import importlib.metadata
import json
import math
import unicodedata
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from corpus.document import Texts
from corpus.errors import IntegrityError, RecipeError
from corpus.recipe import Block
from pipelines.block_list import ADMITTED, REFUSED, Admitted

BLOCKS_VERSION: Final = 1
"""Raised with every change of how a block is asked or its answer is read."""

NO_BLOCK: Final = -1
"""In the ledger: no block refused this text."""

_UNSAID, _FAILED = "refused", "could not judge"  # the library names no reason; it raised an error on this text
_BAD_TEXT = (ArithmeticError, AssertionError, IndexError, ValueError)  # what a block raises at an odd text
_PROBE = "This is a sentence of several plain words, and it ends where it should. " * 10


@dataclass(frozen=True, eq=False)
class Passed:
    """What blocks made of n texts.

    Attributes:
        texts: As the blocks left them; of a refused text, as it was when it was refused.
        block: int32[n], the block that refused it, or `NO_BLOCK`.
        reason: int32[n], its reason as an index of that block's `reasons`, or -1.
    """

    texts: Texts
    block: NDArray[np.int32]
    reason: NDArray[np.int32]


def pass_blocks(texts: Texts, blocks: Sequence[Block]) -> Passed:
    """Hands every text to the blocks in order, until one refuses it.

    Raises:
        RecipeError: See `describe`.
    """
    steps = [_step(block.name, _json(block.parameters)) for block in blocks]
    found: list[bytes] = []
    block = np.full(len(texts), NO_BLOCK, np.int32)
    reason = np.full(len(texts), NO_BLOCK, np.int32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy's, of the mean of no words
        for row, encoded in enumerate(texts):
            for number, step in enumerate(steps):
                encoded, refusal = step.ask(encoded)
                if refusal is not None:
                    block[row], reason[row] = number, step.reasons.index(refusal)
                    break
            found.append(encoded)
    return Passed(Texts.from_list(found), block, reason)


def words(block: Block, reason: int) -> str:
    """A refusal as the ledger numbers it, in words: `gopher-quality: gopher_short_doc`."""
    return f"{block.name}: {_step(block.name, _json(block.parameters)).reasons[reason]}"


def describe(lists: Sequence[Sequence[Block]]) -> dict[str, Any]:
    """What the manifest says of some lists of blocks: versions, parameters with all defaults, reasons by number.

    Raises:
        RecipeError: A block or a parameter is none of those admitted, or a library is not installed.
    """
    packages = {"datatrove"}
    said: list[list[dict[str, Any]]] = []
    for blocks in lists:
        said.append([])
        for block in blocks:
            step = _step(block.name, _json(block.parameters))
            step.probe()
            packages |= set(ADMITTED[block.name].packages)
            said[-1].append(
                {"name": block.name, "parameters": dict(step.parameters), "reasons": list(step.reasons)}
            )
    versions = {name: importlib.metadata.version(name) for name in sorted(packages)}
    return {"version": BLOCKS_VERSION, "unicode": unicodedata.unidata_version, "blocks": said} | versions


@dataclass(frozen=True)
class _Step:
    """A block of the library, ready to be asked."""

    name: str
    parameters: Mapping[str, Any]
    reasons: tuple[str, ...]
    apply: Callable[[str], tuple[str, str | None]]

    def ask(self, encoded: bytes) -> tuple[bytes, str | None]:
        """The text as the block leaves it, and why it refuses it, or None.

        Raises:
            IntegrityError: The library gives a reason that was not there when the block was admitted.
        """
        try:
            text, refusal = self.apply(encoded.decode())
            changed = text.encode()
        except _BAD_TEXT:
            return encoded, _FAILED
        if refusal is not None and refusal not in self.reasons:
            raise IntegrityError(
                f"datatrove refuses a text for a reason that is not known: {refusal}",
                where=f"text.blocks, {self.name}",
                remedy="install the release of workflows/locks/datatrove.txt",
            )
        return changed, refusal

    def probe(self) -> None:
        """Runs the block once: it imports some of what it needs no sooner than that.

        Raises:
            RecipeError: Something is not installed.
        """
        try:
            self.apply(_PROBE)
        except ImportError as error:
            raise _missing(error) from error


def _json(parameters: Mapping[str, Any]) -> str:
    """Parameters as a key of the cache; what TOML knows beyond JSON is no parameter of any block."""
    return json.dumps(parameters, sort_keys=True, default=str)


@functools.cache
def _step(name: str, parameters: str) -> _Step:
    """The block of that name with these parameters (JSON), once a process."""
    admitted = _admitted(name)
    given = json.loads(parameters)
    resolved = {key: _parameter(name, key, default, given) for key, default in admitted.parameters.items()}
    _refuse_unknown(name, given)
    try:
        module = importlib.import_module(f"datatrove.pipeline.{admitted.path[0]}")
        document = importlib.import_module("datatrove.data").Document
        block = getattr(module, admitted.path[1])(**resolved, **admitted.fixed)
    except ImportError as error:
        raise _missing(error) from error
    except Exception as error:  # a constructor may raise anything at a wrong value: of `re`, of ftfy
        raise RecipeError(
            f"datatrove refuses the parameters: {error}", where=f"text.blocks, {name}", remedy="mend them"
        ) from error

    def judge(text: str) -> tuple[str, str | None]:
        held = document(text=text, id="")
        answer = block.filter(held)
        kept, reason = answer if isinstance(answer, tuple) else (answer, None)
        return held.text, None if kept else reason or _UNSAID

    def rewrite(text: str) -> tuple[str, str | None]:
        return block.format(text), None

    reasons = (_UNSAID, _FAILED, *_reasons(admitted, resolved))
    return _Step(name, resolved, reasons, judge if hasattr(block, "filter") else rewrite)


def _admitted(name: str) -> Admitted:
    if name in REFUSED:
        raise RecipeError(
            f"datatrove's {name} may not decide a corpus: it {REFUSED[name]}",
            where="text.blocks",
            remedy=f"name some of: {', '.join(ADMITTED)}",
        )
    if name not in ADMITTED:
        near = difflib.get_close_matches(name, ADMITTED, n=1)
        remedy = f"did you mean `{near[0]}`? " if near else ""
        raise RecipeError(
            f"there is no block `{name}`",
            where="text.blocks",
            remedy=f"{remedy}name some of: {', '.join(ADMITTED)}",
        )
    return ADMITTED[name]


def _refuse_unknown(name: str, given: Mapping[str, Any]) -> None:
    known = ADMITTED[name].parameters
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            remedy = f"did you mean `{near[0]}`? " if near else ""
            raise RecipeError(
                f"{name} has no parameter `{key}`",
                where="text.blocks",
                remedy=f"{remedy}it has: {', '.join(known) or 'none'}",
            )


def _parameter(name: str, key: str, default: Any, given: Mapping[str, Any]) -> Any:
    """The value a recipe gives, or the default; of the default's form."""
    value = given.get(key, default)
    like = "" if default is None else default
    if not _alike(value, like):
        raise RecipeError(
            f"{name}: `{key}` is not like {json.dumps(like)}" if default is not None else f"{name} needs `{key}`",
            where="text.blocks",
            remedy=f"give {key} a value of that form" if default is not None else f'write {key} = "..."',
        )
    return value


def _alike(value: Any, like: Any) -> bool:
    """Whether a value has the form of another: a number for a float, a list of such elements for a list."""
    if isinstance(like, tuple):
        if not isinstance(value, list | tuple):
            return False
        if like and isinstance(like[0], tuple):
            return all(isinstance(pair, list | tuple) and len(pair) == 2 and _is_pair(pair) for pair in value)
        return all(_alike(element, like[0]) for element in value)
    if isinstance(like, float):
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return type(value) is type(like)


def _is_pair(pair: Sequence[Any]) -> bool:
    return _alike(pair[0], 0) and _alike(pair[1], 0.0)


def _reasons(admitted: Admitted, parameters: Mapping[str, Any]) -> list[str]:
    """Every reason a block may give with these parameters."""
    reasons: list[str] = []
    for reason in admitted.reasons:
        if isinstance(reason, str):
            reasons.append(reason)
        else:
            name, form = reason
            reasons += [form.format(number) for number, _ in parameters[name]]
    return list(dict.fromkeys(reasons))


def _missing(error: ImportError) -> RecipeError:
    return RecipeError(
        f"text.blocks needs datatrove and what it cuts words with: {error}",
        where="text.blocks",
        remedy="workflows/install datatrove, or pip install 'tokentrail[datatrove]'",
    )
