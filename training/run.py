"""The command line that trains a model on a sealed corpus.

    python training/run.py --config workflows/runs/tiny.toml --corpus build/refs/sample/1.0.0 --run-dir runs/tiny
    torchrun --standalone --nproc-per-node 4 training/run.py ... --set mesh.tp=2

torch is imported once the arguments, the run's file and the corpus are seen to be right: --help answers at once.
"""

from __future__ import annotations

import argparse
import platform
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __package__ in (None, ""):  # started as a script: the packages lie one folder up
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from corpus.errors import RecipeError, TokentrailError
from corpus.mapped_corpus import MappedCorpus
from training.config import RunConfig, load_run
from training.hardware import TABLES, load_hardware
from training.plan import Plan, plan_text
from training.replica import Replica
from training.token_stream import TokenStream
from training.world import World

if TYPE_CHECKING:
    from training.checkpoint import Saver
    from training.loop import Trainer


def options() -> argparse.ArgumentParser:
    """The options of a run."""
    top = argparse.ArgumentParser(
        prog="run.py",
        description="Trains a model of OPT's family on a sealed corpus.",
        epilog="The file of a run decides every value; the options say where things are.",
    )
    top.add_argument("--config", required=True, help="a run, for instance workflows/runs/tiny.toml")
    top.add_argument("--corpus", help="a sealed corpus, for instance build/refs/sample/1.0.0")
    top.add_argument("--run-dir", help="the folder of this run: metrics, checkpoints; a run in it is gone on with")
    top.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the run")
    top.add_argument(
        "--verify",
        choices=["full", "sample", "off"],
        default="full",
        help="read all shards, one of each source, or none before training (default: full)",
    )
    top.add_argument(
        "--device", default="auto", help="cpu, cuda, or auto: cuda where there is one (default: auto)"
    )
    top.add_argument(
        "--plan", metavar="HARDWARE", help="say what the run would take there, for instance on a100-80"
    )
    top.add_argument("--devices", type=int, default=0, help="of the plan (default: as many as the mesh names)")
    top.add_argument("--hardware", default=str(TABLES), metavar="FILE", help="where that hardware is described")
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return top


def _chosen(argv: Sequence[str] | None) -> argparse.Namespace:
    chosen = options().parse_args(argv)
    if not chosen.plan and not (chosen.corpus and chosen.run_dir):
        options().error("a run needs --corpus and --run-dir; or ask for its --plan")
    return chosen


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit code.

    0 done, 1 a check failed, 2 the user's mistake, 130 interrupted.
    """
    chosen = _chosen(argv)
    signal.signal(signal.SIGTERM, _interrupt)
    world = World.of_environment()
    try:
        with world.joined():
            plan(chosen) if chosen.plan else run(chosen, world)
    except TokentrailError as error:
        if chosen.debug:
            raise
        if world.speaks():
            print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        if world.speaks():
            print("interrupted", file=sys.stderr)
        return 130
    return 0


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def plan(chosen: argparse.Namespace) -> None:
    """Prints what a run would take.

    Raises:
        TokentrailError: It does not fit, or there is no such hardware.
    """
    config = load_run(chosen.config, tuple(chosen.set))
    found = Plan.of(config, load_hardware(chosen.plan, chosen.hardware), chosen.devices)
    print(plan_text(found), flush=True)
    found.check()


def run(chosen: argparse.Namespace, world: World) -> None:
    """Trains from the first update to the last, this process's part of it.

    Raises:
        TokentrailError: Whatever stopped it.
    """
    config = load_run(chosen.config, tuple(chosen.set))
    mesh = config.mesh.sizes(world.size)
    Replica(0, mesh[0] * mesh[1]).micro_batches(config.batch, config.micro_batch)
    corpus = MappedCorpus.open(chosen.corpus)
    corpus.check_vocabulary(config.model.vocabulary)
    read = world.once_a_host(lambda: corpus.verify(chosen.verify))
    stream = TokenStream(corpus, "train", config.sequence)
    if read is not None:
        world.say(_head(config, corpus, stream, read, mesh))

    from training.attempts import begin_attempt
    from training.canonical_state import canonical_state
    from training.checkpoint import Saver, load
    from training.loop import build_trainer
    from training.mesh import Mesh
    from training.report import write_report
    from training.resumption import check_same_run, last_checkpoint

    device = _device(chosen.device, world)
    trainer = build_trainer(config, stream, device, mesh=Mesh.of(config.mesh, device) if world.size > 1 else None)
    last = last_checkpoint(
        chosen.run_dir, _warn, lambda found: check_same_run(found, config, corpus.digest), world
    )
    done = 0
    if last is not None:
        load(last, canonical_state(trainer), world)
        done = last.commit.step
        world.say(f"resumed  step {done:,}, from {last.folder.name}")
    host = _host(str(device), mesh, world)
    attempt = world.from_first(lambda: begin_attempt(chosen.run_dir, config, (corpus.ref, corpus.digest), host))
    trainer = replace(trainer, attempt=attempt)
    with Saver(chosen.run_dir, trainer, corpus.digest, done, world) as saver:
        held_out = TokenStream(corpus, "valid", config.sequence)
        _train(trainer, done, held_out, chosen.run_dir, saver, world)
    if world.rank == 0:
        world.say(f"report {write_report(chosen.run_dir)}")


def _warn(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _train(trainer: Trainer, done: int, held_out: TokenStream, run_dir: str, saver: Saver, world: World) -> None:
    from contextlib import closing, nullcontext

    import msgspec

    from training.interruption import Interruption
    from training.live_line import LiveLine
    from training.loop import train
    from training.metrics import MetricsFile
    from training.parallel import let_go
    from training.validation import validate

    config, first = trainer.config, world.rank == 0
    if done >= config.steps:
        world.say(f"nothing is left to train: {config.name} is at step {done:,} of {config.steps:,}")
        return
    rows = config.micro_batch or config.batch // trainer.replica.count
    shown = sys.stderr if first else StringIO()
    line = LiveLine(config.steps, sum(trainer.stream.windows.values()), config.batch, shown)
    file = MetricsFile(run_dir) if first else nullcontext()
    with file as metrics, closing(line), Interruption() as interruption:
        for record in train(trainer, done):
            if _is_due(config.validation.every, record.step, config.steps):
                losses = validate(
                    trainer.model, held_out, config.validation.windows, rows, trainer.replica, trainer.to_device
                )
                let_go(trainer.model)
                record = msgspec.structs.replace(record, validation=losses)
            if metrics is not None:
                metrics.append(record)
            line.show(record)
            stop = world.any(interruption.asked or saver.failed)
            if stop or record.step == config.steps or _is_due(config.checkpoint.every, record.step, config.steps):
                saver.save(record.step)
            if stop:
                break
        saver.wait()
    if record.step < config.steps:
        world.say(f"saved step {record.step:,}: the same command goes on from there")
        raise KeyboardInterrupt
    for source, loss in record.validation.items():
        world.say(f"validation {source:<16} {loss:.4f}")
    world.say(f"trained {config.name} to step {record.step:,} on {record.tokens:,} tokens: loss {record.loss:.4f}")


def _is_due(every: int, step: int, steps: int) -> bool:
    """What is done every so many updates is done at the end too; 0: never."""
    return every > 0 and (step % every == 0 or step == steps)


def _head(
    config: RunConfig, corpus: MappedCorpus, stream: TokenStream, read: int, mesh: tuple[int, int, int]
) -> str:
    """What a run is, before it starts."""
    windows, tails = sum(stream.windows.values()), sum(stream.tails.values())
    drawn = config.steps * config.batch
    return "\n".join(
        [
            f"run      {config.name}, sha256:{config.digest()[:16]}, {config.model.parameters:,} parameters",
            f"corpus   {corpus.manifest.name}@{corpus.manifest.version} sha256:{corpus.digest}",
            f"verified {read:,} of {len(corpus.manifest.shards):,} shards, to the last byte",
            f"windows  {windows:,} of {stream.width:,} tokens; {tails:,} tokens are in none",
            "mesh     {} x {} x {} (replicate x shard x tp)".format(*mesh),
            f"steps    {config.steps:,} of {config.batch:,} windows: {drawn / max(1, windows):.2f} epochs",
        ]
    )


def _device(name: str, world: World) -> Any:
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise RecipeError("there is no CUDA device", where=f"--device {name}", remedy="use --device cpu, or auto")
    if name == "cuda" and world.size > 1:
        found = torch.cuda.device_count()
        if world.local_rank >= found:
            raise RecipeError(
                f"this host has {found} CUDA devices, and more processes were started on it",
                where=f"--device {name}, local rank {world.local_rank}",
                remedy=f"start at most {found} with torchrun --nproc-per-node, or use --device cpu",
            )
        name = f"cuda:{world.local_rank}"
        torch.cuda.set_device(world.local_rank)
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise RecipeError("there is no such device", where=f"--device {name}", remedy="use cpu or cuda") from error


def _host(device: str, mesh: tuple[int, int, int], world: World) -> dict[str, Any]:
    """What is true of the machine and not of the training."""
    import torch

    return {
        "command": [*world.launcher(), *sys.argv],
        "host": platform.node(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else platform.processor() or device,
        "threads": torch.get_num_threads(),
        "mesh": mesh,
        "started": int(time.time()),
    }


if __name__ == "__main__":
    sys.exit(main())
