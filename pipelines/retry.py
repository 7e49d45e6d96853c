"""How often a task is tried, and after which failures: one answer for every engine.

A task is pure: an attempt that ends in a verdict on the recipe, the input or the code would end so again, and the
build stops at once. What may pass is a failure of what lies around it: a store, a network, memory that another
process held. A worker that dies raises nothing: engines count its death as an attempt of the task it was at.
"""

from __future__ import annotations

from corpus.errors import StoreError, UnansweredError

ATTEMPTS = 3
"""Unpublished: our choice; a flaky disk or a lost worker passes, a poisonous input ends the build soon."""

_PASSING = (StoreError, UnansweredError, OSError, MemoryError)


def may_pass(error: BaseException) -> bool:
    """Whether another attempt at the same task may end otherwise."""
    return isinstance(error, _PASSING)
