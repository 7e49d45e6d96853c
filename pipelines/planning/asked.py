"""What a command line asks of a plan: to be shown it, or to be stopped by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from corpus.errors import RecipeError
from corpus.recipe import Recipe
from corpus.source import Blob, Found
from corpus.source_catalogue import Catalogue
from pipelines.build import Build, Drives
from pipelines.planning.budget import Budget, Limit
from pipelines.planning.input_sizes import input_sizes
from pipelines.planning.plan import Outlook
from pipelines.planning.plan_table import plan_table
from pipelines.planning.planner import Plan
from pipelines.planning.prices import Prices, load_prices
from pipelines.planning.rates import load_rates


@dataclass(frozen=True)
class Asked:
    """The options of a plan.

    Attributes:
        rates: A results file.
        prices: A file of tables.
        price_of: The table that is asked for, or None: no money.
        max_cost: In its currency, or None: no limit.
    """

    rates: str
    prices: str
    price_of: str | None = None
    max_cost: float | None = None

    def check(self) -> None:
        """Refuses what cannot be answered.

        Raises:
            RecipeError: A limit in no currency; or no such file or table.
        """
        if self.max_cost is not None and self.price_of is None:
            raise RecipeError(
                "a limit needs prices",
                where=f"--max-cost {self.max_cost:g}",
                remedy=f"name a table of {self.prices} with --price-of",
            )
        self.load_prices()

    def outlook(
        self,
        recipe: Recipe,
        found: Found,
        catalogue: Catalogue,
        encoder: str,
        building: Callable[[Drives], Build],
    ) -> Outlook:
        """What a plan is made of.

        Raises:
            RecipeError: There are no such rates, or they are not of this version.
        """
        rates = load_rates(self.rates)
        return Outlook(recipe, encoder, input_sizes(recipe, found, catalogue, rates), rates, building)

    def load_prices(self) -> Prices | None:
        """The table that is asked for.

        Raises:
            RecipeError: No such file or table, or a wrong value in it.
        """
        return load_prices(self.prices, self.price_of) if self.price_of else None

    def show(self, outlook: Outlook, blobs: Sequence[Blob]) -> str:
        """The plan in tables."""
        prices = self.load_prices()
        return plan_table(outlook.plan(blobs), outlook.sizes, outlook.rates, self.rates, prices)

    def limited(self, driver: Drives, rest: Callable[[], Plan]) -> Drives:
        """The driver, within the limit if there is one; `rest` plans what is left of the build."""
        prices = self.load_prices()
        if self.max_cost is None or prices is None:
            return driver
        return Budget(driver, Limit(self.max_cost, prices), rest)
