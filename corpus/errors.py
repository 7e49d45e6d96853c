"""Every error a person can meet, and what the process exits with.

    TokentrailError
    ├── RecipeError            the recipe, a run's file or the command line is wrong       exit 2
    ├── SourceError            an input is missing, unreadable, or not what was pinned     exit 2
    │   ├── DamagedContainerError   a compressed file is truncated or corrupt                   exit 2
    │   └── UnansweredError         a store gave up; asked again later it may give the input    exit 2
    ├── FetchError             a file cannot be fetched, or is not what it should be       exit 1
    ├── StoreError             the store cannot be written, or another build holds it      exit 2
    ├── EngineError            workers died, differ, or cannot be reached                  exit 2
    ├── BudgetError            a build would cost more than its runner allows              exit 1
    ├── RunError               a training run cannot go on                                 exit 1
    └── IntegrityError         sealed bytes, counts or laws do not hold                    exit 1

An error says what happened, where, and what to do, in three short lines. A damaged *record* is never an
error: it is a row of the ledger.
"""


class TokentrailError(Exception):
    """Says what happened, where, and what to do about it.

    Args:
        what: One sentence in the reader's words.
        where: The file, record, key or option concerned; with an offset where there is one.
        remedy: What to do next, as an instruction.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str, remedy: str) -> None:
        super().__init__(what, where, remedy)
        self.what, self.where, self.remedy = what, where, remedy

    def __str__(self) -> str:
        return f"error: {self.what}\n   at: {self.where}\n   do: {self.remedy}"

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling, and errors cross process borders.
        return _rebuild, (type(self), self.what, self.where, self.remedy)


def _rebuild(kind: type[TokentrailError], what: str, where: str, remedy: str) -> TokentrailError:
    return kind(what, where=where, remedy=remedy)


class RecipeError(TokentrailError):
    """The recipe, the file of a run, or an option that changes either, is wrong."""

    exit_code = 2


class SourceError(TokentrailError):
    """An input is missing, unreadable, or differs from its pin."""

    exit_code = 2


class DamagedContainerError(SourceError):
    """A compressed file ends early or does not decode; carries the offset reached in its `where`."""


class UnansweredError(SourceError):
    """A store did not give an input, and may give it when it is asked again: it was out of reach, or gave up."""


class FetchError(TokentrailError):
    """A public file cannot be fetched, or what came differs from its pin."""


class StoreError(TokentrailError):
    """The store cannot be written, or another build holds it."""

    exit_code = 2


class EngineError(TokentrailError):
    """The engine's workers died, differ from each other, or cannot be reached."""

    exit_code = 2


class BudgetError(TokentrailError):
    """A build would cost more than its runner allows, or nobody knows what it would cost."""


class RunError(TokentrailError):
    """A run cannot go on: its numbers are no longer finite, say, or another of its processes is gone."""


class IntegrityError(TokentrailError):
    """Something sealed does not match its digest, or a law does not hold."""
