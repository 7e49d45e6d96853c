"""What a run will take, before anything is spent: memory, days, energy, money; and whether it fits at all."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from corpus.errors import RecipeError
from corpus.page import count, size
from training.config import RunConfig
from training.flops import flops_6nd, hardware_flops, model_flops
from training.hardware import Hardware
from training.memory import USABLE, Memory, memory
from training.replica import Replica

_MOST_DEVICES = 4096  # unpublished: our choice; what is not found with so many is not looked for further


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run takes on so many devices of one kind.

    Attributes:
        config: The run.
        hardware: The kind.
        devices: How many.
        memory: Of each.
        model_flops: Of the whole run; see training/flops.py for the three.
        hardware_flops: The same, with what is computed twice.
        flops_6nd: The same, by the rule of thumb.
    """

    config: RunConfig
    hardware: Hardware
    devices: int
    memory: Memory
    model_flops: int
    hardware_flops: int
    flops_6nd: int

    @classmethod
    def of(cls, config: RunConfig, hardware: Hardware, devices: int = 0) -> Plan:
        """The plan of a run.

        Args:
            devices: 0 for as many as its mesh names.

        Raises:
            RecipeError: The mesh or the batch does not divide.
        """
        mesh = config.mesh
        devices = devices or mesh.replicate * (mesh.shard or 1) * mesh.tp
        replicate, shard, _ = mesh.sizes(devices)
        Replica(0, replicate * shard).micro_batches(config.batch, config.micro_batch)
        tokens = config.steps * config.tokens_per_update
        return cls(
            config=config,
            hardware=hardware,
            devices=devices,
            memory=memory(config, devices),
            model_flops=model_flops(config.model, tokens, config.sequence),
            hardware_flops=hardware_flops(config.model, tokens, config.sequence, mesh.recompute),
            flops_6nd=flops_6nd(config.model, tokens),
        )

    @property
    def hours(self) -> float:
        """Of wall clock, when no device ever waits for a restart."""
        return self.hardware_flops / (self.hardware.achieved_tflops * 1e12 * self.devices) / 3600

    @property
    def usable(self) -> int:
        """Bytes of a device that a run may count on."""
        return int(USABLE * self.hardware.memory_gb * 1e9)

    @property
    def fits(self) -> bool:
        """Whether a device holds its part."""
        return self.memory.total <= self.usable

    def check(self) -> None:
        """Raises RecipeError where it does not fit, and says what would."""
        if self.fits:
            return
        found = next((each for each in _nearby(self) if each.fits), None)
        remedy = (
            f"take another device: even {_MOST_DEVICES:,} of these with mesh.recompute do not hold it; or mesh.tp"
            if found is None
            else f"{' '.join(_changes(self, found))} fits, in {size(found.memory.total)}"
        )
        raise RecipeError(
            f"the run does not fit: a device would hold {size(self.memory.total)}, and may {size(self.usable)}",
            where=f"{self.config.name} on {self.devices:,} x {self.hardware.name}",
            remedy=remedy,
        )


def _nearby(plan: Plan) -> Iterator[Plan]:
    """Other ways to run the same, the cheapest first: fewer sequences at once, recomputing, more devices."""
    config = plan.config
    replicate, shard, tp = config.mesh.sizes(plan.devices)
    while replicate * shard * tp <= _MOST_DEVICES:
        share = config.micro_batch or config.batch // (replicate * shard)
        halves = [share >> power for power in range(share.bit_length())]
        for recompute in (config.mesh.recompute, True):
            for rows in halves:
                mesh = msgspec.structs.replace(config.mesh, shard=shard, recompute=recompute)
                try:
                    yield Plan.of(msgspec.structs.replace(config, mesh=mesh, micro_batch=rows), plan.hardware)
                except RecipeError:  # a batch that does not divide is no way
                    continue
        shard *= 2


def _changes(before: Plan, after: Plan) -> Iterator[str]:
    """What is to be said on the command line."""
    old, new = before.config, after.config
    if before.devices != after.devices:
        yield f"--set mesh.shard={new.mesh.shard}"
    if old.mesh.recompute != new.mesh.recompute:
        yield "--set mesh.recompute=true"
    replicate, shard, _ = new.mesh.sizes(after.devices)
    if new.micro_batch != (old.micro_batch or old.batch // (replicate * shard)):
        yield f"--set micro_batch={new.micro_batch}"


def plan_text(plan: Plan) -> str:
    """The plan as a person reads it."""
    config, hardware, held = plan.config, plan.hardware, plan.memory
    replicate, shard, tp = config.mesh.sizes(plan.devices)
    sequences = config.micro_batch or config.batch // (replicate * shard)
    tokens = config.steps * config.tokens_per_update
    hours, device_hours = plan.hours, plan.hours * plan.devices
    kept = "the inputs of layers alone" if config.mesh.recompute else "all of them"
    utilisation = hardware.achieved_tflops / hardware.peak_tflops
    guessed = f", from memory: {', '.join(hardware.unverified)}" if hardware.unverified else ""
    rows = [
        ("run", f"{config.name}, {count(config.model.parameters)} parameters"),
        ("devices", f"{plan.devices:,} x {hardware.device}: mesh {replicate} x {shard} x {tp}"),
        ("steps", f"{config.steps:,} of {count(config.tokens_per_update)} tokens, {tokens:.3e} in all"),
        ("", ""),
        ("memory", f"of each device, of {size(plan.usable)} that a run may count on"),
        ("  parameters", size(held.parameters)),
        ("  gradients", size(held.gradients)),
        ("  optimiser", size(held.optimiser)),
        ("  gathered", f"{size(held.gathered)}, weights in {config.precision.compute}"),
        ("  activations", f"{size(held.activations)}, of {sequences:,} sequences at once, {kept}"),
        ("  loss", f"{size(held.loss)}, a chunk of logits"),
        ("  in all", size(held.total)),
        ("", ""),
        (
            "work",
            f"{plan.hardware_flops:.2e} hardware FLOPs, {plan.model_flops:.2e} model FLOPs, "
            f"6ND {plan.flops_6nd:.2e}",
        ),
        (
            "time",
            f"{_span(hours)} at {hardware.achieved_tflops:g} TFLOP/s a device, {utilisation:.1%} of its peak",
        ),
        ("energy", f"{device_hours * hardware.watts * hardware.pue / 1000:,.4g} kWh"),
        ("money", f"{device_hours * hardware.hour:,.2f} {hardware.currency}, {device_hours:,.4g} device-hours"),
        ("", ""),
        ("hardware", f"{hardware.name}, {hardware.date}{guessed}; {'; '.join(hardware.pages)}"),
        (
            "not in it",
            "restarts (OPT-175B ran for 33 days of the 56 it took), validation, checkpoints, idle devices",
        ),
    ]
    return "\n".join(f"{name:<14}{said}".rstrip() for name, said in rows)


def _span(hours: float) -> str:
    if hours >= 48:
        return f"{hours / 24:,.1f} days"
    return f"{hours:,.1f} hours" if hours >= 2 else f"{60 * hours:,.1f} minutes"
