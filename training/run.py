"""The command line that trains a model on a sealed corpus.

    python training/run.py --config workflows/runs/tiny.toml --corpus build/refs/sample/1.0.0 --run-dir runs/tiny

torch is imported once the arguments, the run's file and the corpus are seen to be right: --help answers at once.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __package__ in (None, ""):  # started as a script: the packages lie one folder up
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from corpus.errors import RecipeError, TokentrailError
from training.config import RunConfig, load_run
from training.hardware import TABLES, load_hardware
from training.plan import Plan, plan_text
from training.token_stream import Corpus, TokenStream

if TYPE_CHECKING:
    from training.checkpoint import Saver
    from training.loop import Trainer
    from training.peers import Peers


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


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit code.

    0 done, 1 a check failed, 2 the user's mistake, 130 interrupted.
    """
    chosen = options().parse_args(argv)
    if not chosen.plan and not (chosen.corpus and chosen.run_dir):
        options().error("a run needs --corpus and --run-dir; or ask for its --plan")
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        plan(chosen) if chosen.plan else run(chosen)
    except TokentrailError as error:
        if chosen.debug:
            raise
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
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


def run(chosen: argparse.Namespace) -> None:
    """Trains from the first update to the last.

    Raises:
        TokentrailError: Whatever stopped it.
    """
    config = load_run(chosen.config, tuple(chosen.set))
    corpus = Corpus.open(chosen.corpus)
    corpus.check_vocabulary(config.model.vocabulary)
    read = corpus.verify(chosen.verify)
    stream = TokenStream(corpus, "train", config.sequence)
    print(_head(config, corpus, stream, read), flush=True)

    from dataclasses import replace

    from training.attempts import begin_attempt
    from training.checkpoint import Saver, State, load
    from training.loop import build_trainer
    from training.peers import all_peers
    from training.report import write_report
    from training.resumption import check_same_run, last_checkpoint

    device, peers = _device(chosen.device), all_peers()
    trainer = build_trainer(config, stream, device)
    state = State(trainer.model, trainer.optimiser)
    last = last_checkpoint(
        chosen.run_dir, _warn, lambda found: check_same_run(found, config, corpus.digest), peers
    )
    if last is not None:
        load(last, state, peers)
        print(f"resumed  step {last.commit.step:,}, from {last.folder.name}", flush=True)
    attempt = begin_attempt(chosen.run_dir, config, (corpus.ref, corpus.digest), _host(str(device)))
    trainer = replace(trainer, attempt=attempt)
    done = last.commit.step if last is not None else 0
    with Saver(chosen.run_dir, trainer, state, corpus.digest, done) as saver:
        held_out = TokenStream(corpus, "valid", config.sequence)
        _train(trainer, done, held_out, chosen.run_dir, saver, peers)
    if peers.rank == 0:
        print(f"report {write_report(chosen.run_dir)}")


def _warn(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _train(trainer: Trainer, done: int, held_out: TokenStream, run_dir: str, saver: Saver, peers: Peers) -> None:
    from contextlib import closing

    import msgspec

    from training.interruption import Interruption
    from training.live_line import LiveLine
    from training.loop import train
    from training.metrics import MetricsFile
    from training.validation import validate

    config = trainer.config
    if done >= config.steps:
        print(f"nothing is left to train: {config.name} is at step {done:,} of {config.steps:,}")
        return
    rows = config.micro_batch or config.batch // trainer.replica.count
    line = LiveLine(config.steps, sum(trainer.stream.windows.values()), config.batch, sys.stderr)
    with MetricsFile(run_dir) as metrics, closing(line), Interruption() as interruption:
        for record in train(trainer, done):
            if _is_due(config.validation.every, record.step, config.steps):
                losses = validate(
                    trainer.model, held_out, config.validation.windows, rows, trainer.replica, trainer.to_device
                )
                record = msgspec.structs.replace(record, validation=losses)
            metrics.append(record)
            line.show(record)
            stop = peers.any(interruption.asked or saver.failed)
            if stop or record.step == config.steps or _is_due(config.checkpoint.every, record.step, config.steps):
                saver.save(record.step)
            if stop:
                break
        saver.wait()
    if record.step < config.steps:
        print(f"saved step {record.step:,}: the same command goes on from there", flush=True)
        raise KeyboardInterrupt
    for source, loss in record.validation.items():
        print(f"validation {source:<16} {loss:.4f}")
    print(f"trained {config.name} to step {record.step:,} on {record.tokens:,} tokens: loss {record.loss:.4f}")


def _is_due(every: int, step: int, steps: int) -> bool:
    """What is done every so many updates is done at the end too; 0: never."""
    return every > 0 and (step % every == 0 or step == steps)


def _head(config: RunConfig, corpus: Corpus, stream: TokenStream, read: int) -> str:
    """What a run is, before it starts."""
    windows, tails = sum(stream.windows.values()), sum(stream.tails.values())
    drawn = config.steps * config.batch
    return "\n".join(
        [
            f"run      {config.name}, sha256:{config.digest()[:16]}, {config.model.parameters:,} parameters",
            f"corpus   {corpus.manifest.name}@{corpus.manifest.version} sha256:{corpus.digest}",
            f"verified {read:,} of {len(corpus.manifest.shards):,} shards, to the last byte",
            f"windows  {windows:,} of {stream.width:,} tokens; {tails:,} tokens are in none",
            f"steps    {config.steps:,} of {config.batch:,} windows: {drawn / max(1, windows):.2f} epochs",
        ]
    )


def _device(name: str) -> Any:
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise RecipeError("there is no CUDA device", where=f"--device {name}", remedy="use --device cpu, or auto")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise RecipeError("there is no such device", where=f"--device {name}", remedy="use cpu or cuda") from error


def _host(device: str) -> dict[str, Any]:
    """What is true of the machine and not of the training."""
    import torch

    return {
        "command": ["python", *sys.argv],
        "host": platform.node(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else platform.processor() or device,
        "threads": torch.get_num_threads(),
        "world_size": int(os.environ.get("WORLD_SIZE", "1")),
        "started": int(time.time()),
    }


if __name__ == "__main__":
    sys.exit(main())
