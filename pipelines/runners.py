"""Which engine a `--runner` names, and what each takes of the command line; each is imported when it starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from corpus.errors import RecipeError

if TYPE_CHECKING:
    from pipelines.driver import Engine

# Beam's runners by the names they are asked for here. FnApiRunner by name: what Beam calls DirectRunner is another
# engine on a machine that reaches the network.
BEAM_RUNNERS = {
    "direct": "FnApiRunner",
    "flink": "FlinkRunner",
    "spark": "SparkRunner",
    "portable": "PortableRunner",
    "dataflow": "DataflowRunner",
}
RUNNERS = ("local", "dask", *BEAM_RUNNERS)


@dataclass(frozen=True)
class Choice:
    """The engine a person chose.

    Attributes:
        runner: One of `RUNNERS`.
        workers: Processes, where the engine starts them itself.
        scheduler: The address of a Dask scheduler, or None.
        others: Arguments that are not ours: Beam's, if anybody's.
    """

    runner: str
    workers: int
    scheduler: str | None = None
    others: Sequence[str] = ()

    def check(self, store: str, data: str) -> None:
        """Refuses what cannot work before anything is spent.

        Raises:
            RecipeError: An option is wrong, or does not go with the runner.
        """
        wrong = self._wrong(store, data)
        if wrong is not None:
            what, where, remedy = wrong
            raise RecipeError(what, where=where, remedy=remedy)

    def _wrong(self, store: str, data: str) -> tuple[str, str, str] | None:
        if self.runner not in RUNNERS:
            return "there is no such runner", f"--runner {self.runner}", f"choose one of: {', '.join(RUNNERS)}"
        if self.workers < 1:
            return "a build needs a worker", f"--workers {self.workers}", "give 1 or more"
        if self.scheduler and self.runner != "dask":
            return "only Dask has a scheduler to join", f"--scheduler {self.scheduler}", "add --runner dask"
        if self.others and self.runner not in BEAM_RUNNERS:
            remedy = "see --help; only Beam's runners take options of their own"
            return "there is no such option", " ".join(self.others), remedy
        if self.runner == "dataflow":
            for option, url in (("--out", store), ("--data", data)):
                if _is_path(url):
                    remedy = "give a gs:// URL: its workers cannot see this machine's folders"
                    return "Dataflow's workers run elsewhere", f"{option} {url}", remedy
        return None

    def seen(self, url: str) -> str:
        """A URL as every worker sees it: a path is made absolute, for workers may have another working folder."""
        return str(Path(url).absolute()) if self.runner != "local" and "://" not in url else url

    def start(
        self, on_tick: Callable[[int, int], None], labels: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Engine]:
        """The engine, to be entered before it runs anything.

        Args:
            on_tick: Called with (text bytes, documents) as tasks advance.
            labels: What is built, where an engine labels what it runs.

        Raises:
            RecipeError: Its library is not installed, or does not know an option.
        """
        if self.runner == "local":
            from pipelines.engines.local import LocalEngine

            return LocalEngine(self.workers, on_tick)
        extra = "dask" if self.runner == "dask" else "beam"
        try:
            if self.runner == "dask":
                from pipelines.engines.dask_futures import DaskEngine

                return DaskEngine(self.workers, on_tick, self.scheduler)
            from pipelines.engines.beam_jobs import BeamEngine

            return BeamEngine(BEAM_RUNNERS[self.runner], self.workers, on_tick, self.others, labels)
        except ModuleNotFoundError as error:
            raise RecipeError(
                f"{error.name} is not installed",
                where=f"--runner {self.runner}",
                remedy=f"pip install 'tokentrail[{extra}]'",
            ) from error


def _is_path(url: str) -> bool:
    return "://" not in url or url.startswith("file://")
