"""A driver that asks what the rest will cost before each stage, and stops before more is spent than is allowed.

Spent is what the stages of this build took by their own clocks. The rest is planned anew each time, from what is
sealed by then: an estimate that was wrong is mended by what the stages before it turned out to be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from corpus.errors import BudgetError
from pipelines.build import Drives
from pipelines.planning.planner import Plan
from pipelines.planning.prices import Prices
from pipelines.stage import Sealed, Stage, find_sealed


@dataclass(frozen=True)
class Limit:
    """The most a build may cost: its stages, and a month of what it leaves in the store."""

    amount: float
    prices: Prices

    def admit(self, plan: Plan, spent: float = 0.0) -> None:
        """Lets a build go on.

        Args:
            plan: The rest of it.
            spent: On what ran so far.

        Raises:
            BudgetError: It would cost more than is allowed, or nobody knows how much.
        """
        if plan.unmeasured:
            raise BudgetError(
                f"no estimate of the whole: no rate is known of {', '.join(plan.unmeasured)}",
                where=f"--max-cost {self.amount:,.2f} {self.prices.currency}",
                remedy="name rates that hold them with --rates, or build without --max-cost",
            )
        rest = cost_of(plan, self.prices)
        if spent + rest <= self.amount:
            return
        raise BudgetError(
            f"this build would cost {self.prices.say(spent + rest)}: {self.prices.say(spent)} is spent, the rest "
            f"is estimated at {self.prices.say(rest)}",
            where=f"--max-cost {self.amount:,.2f} {self.prices.currency}, by the prices of {self.prices.name}",
            remedy="allow more, or leave sources out with --without; what is sealed is kept",
        )


def cost_of(plan: Plan, prices: Prices) -> float:
    """What the stages that are to run cost, and a month of what is then in the store."""
    return sum(prices.of_stage(planned) for planned, _ in plan.to_run) + prices.of_month(plan.stays)


class Budget:
    """Drives by another driver, within a limit.

    Args:
        driver: Runs the stages.
        limit: What they may cost.
        rest: Plans what is left of the build.

    Attributes:
        spent: On the stages that ran so far.
    """

    def __init__(self, driver: Drives, limit: Limit, rest: Callable[[], Plan]) -> None:
        self._driver, self._limit, self._rest = driver, limit, rest
        self.spent = 0.0

    def run(self, stage: Stage, total_bytes: int = 0) -> Sealed:
        """Gives the stage's seal, running it if need be and if it may be paid.

        Raises:
            BudgetError: What is spent and what is left to do would cost more than is allowed.
        """
        if find_sealed(stage) is not None:
            return self._driver.run(stage, total_bytes)
        plan = self._rest()
        self._limit.admit(plan, self.spent)
        sealed = self._driver.run(stage, total_bytes)
        planned = next(one for one in plan.stages if one.name == stage.name)
        self.spent += self._limit.prices.of_stage(planned, sealed.cpu_seconds)
        return sealed
