"""What a provider takes for an hour, a byte and a request: tables given as data, of which a person names one."""

from __future__ import annotations

import msgspec

from corpus.errors import RecipeError
from corpus.strict_toml import convert, read_tree
from pipelines.planning.planner import Planned

_GB = 2**30  # as cloud providers count: cloud.google.com/storage/pricing, "1 GB = 2^30 bytes"


class Prices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The prices of one provider in one region, before discounts.

    Attributes:
        name: What `--price-of` asks for.
        date: When they were written down.
        pages: Where they stand.
        unverified: The keys that were written from memory: nobody looked them up there.
        vcpu_hour: Of one virtual CPU.
        memory_gb_hour: Of a gigabyte of a worker's memory; 0 where the vCPU's price holds it.
        memory_gb_per_vcpu: Of the workers that the price is for.
        shuffle_gb: Processed by the provider's own shuffle; 0 where spills are files.
        storage_gb_month: In the store.
        egress_gb: Carried out of the region, to the internet.
        write_1000: Requests that write or list.
        read_1000: Requests that read.
    """

    name: str
    provider: str
    region: str
    currency: str
    date: str
    pages: tuple[str, ...]
    unverified: tuple[str, ...] = ()
    vcpu_hour: float
    memory_gb_hour: float = 0.0
    memory_gb_per_vcpu: float = 0.0
    shuffle_gb: float = 0.0
    storage_gb_month: float = 0.0
    egress_gb: float = 0.0
    write_1000: float = 0.0
    read_1000: float = 0.0

    @property
    def spilling(self) -> bool:
        """Whether rows are exchanged through files of the store, and not by the provider's own shuffle."""
        return not self.shuffle_gb

    def of_cpu(self, seconds: float) -> float:
        """So many seconds of a vCPU that never waits, with the memory beside it."""
        return seconds / 3600 * (self.vcpu_hour + self.memory_gb_per_vcpu * self.memory_gb_hour)

    def of_stage(self, planned: Planned, cpu_seconds: float | None = None) -> float:
        """A stage that runs: CPU and memory, shuffle and requests.

        Args:
            planned: What it is likely to take; a sealed stage takes nothing.
            cpu_seconds: What it did take, when it has run.
        """
        if planned.forecast is None:
            return 0.0
        seconds = planned.forecast.cpu_seconds if cpu_seconds is None else cpu_seconds
        writes, reads = planned.requests(self.spilling)
        requests = (writes * self.write_1000 + reads * self.read_1000) / 1000
        return self.of_cpu(seconds) + planned.forecast.shuffled / _GB * self.shuffle_gb + requests

    def of_month(self, size: int) -> float:
        """A month of so many bytes in the store."""
        return size / _GB * self.storage_gb_month

    def of_egress(self, size: int) -> float:
        """So many bytes carried out of the region."""
        return size / _GB * self.egress_gb

    def say(self, amount: float) -> str:
        """An amount with its currency; less than a hundredth is not nothing."""
        return f"{amount:,.2f} {self.currency}" if amount >= 0.01 or not amount else f"below 0.01 {self.currency}"


class PriceTables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of prices."""

    table: tuple[Prices, ...]


def load_prices(path: str, name: str) -> Prices:
    """One table of a file, strictly read.

    Raises:
        RecipeError: No such file or table, an unknown key, a wrong value.
    """
    tree = read_tree(path, "file of prices", "name one like workflows/costs/prices.toml with --prices")
    tables = convert(tree, PriceTables, path, "prices").table
    for table in tables:
        if table.name == name:
            return table
    known = ", ".join(table.name for table in tables)
    raise RecipeError(f"no table of prices is called {name}", where=path, remedy=f"choose one of: {known}")
