"""Devices that a training may be planned on: tables given as data, of which a person names one."""

from __future__ import annotations

from pathlib import Path

import msgspec

from corpus.errors import RecipeError
from corpus.strict_toml import convert, read_tree

TABLES = Path(__file__).resolve().parent.parent / "workflows" / "costs" / "hardware.toml"


class Hardware(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of device.

    Attributes:
        name: What `--plan` asks for.
        device: In words.
        date: When the figures were written down.
        pages: Where they stand.
        unverified: The keys that were written from memory: nobody looked them up there.
        memory_gb: Of a device, 10^9 bytes.
        peak_tflops: Of half-precision products, dense.
        achieved_tflops: Hardware FLOP/s of a device in a training like OPT's.
        watts: Of a device.
        pue: Power bought for power used.
        currency: Of the price.
        hour: What a device takes for an hour, before discounts.
    """

    name: str
    device: str
    date: str
    pages: tuple[str, ...]
    unverified: tuple[str, ...] = ()
    memory_gb: float
    peak_tflops: float
    achieved_tflops: float
    watts: float
    pue: float
    currency: str
    hour: float


class HardwareTables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of hardware."""

    hardware: tuple[Hardware, ...]


def load_hardware(name: str, path: str = str(TABLES)) -> Hardware:
    """One table of a file, strictly read.

    Raises:
        RecipeError: No such file or table, an unknown key, a wrong value.
    """
    tree = read_tree(path, "file of hardware", "name one like workflows/costs/hardware.toml with --hardware")
    tables = convert(tree, HardwareTables, path, "hardware").hardware
    for table in tables:
        if table.name == name:
            return table
    known = ", ".join(table.name for table in tables)
    raise RecipeError(f"no hardware is called {name}", where=path, remedy=f"choose one of: {known}")
