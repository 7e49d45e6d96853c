"""What the trainer costs above a bare loop; and how much of a GPU's peak it uses, where there is one.

    python workflows/benchmarks/trainer.py overhead
    python workflows/benchmarks/trainer.py mfu --out mfu.json

`overhead` alternates updates of the trainer with those of a loop of ten lines over the same model, in one process,
and writes the section "trainer" of RESULTS.md. `mfu` trains opt-125m and opt-1.3b in bf16 on one GPU, dropout 0
and .1, and writes JSON and profiles; without a GPU it says so.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from results import machine, table, write_section

from corpus.window_order import WindowIds
from training.config import RunConfig, load_run
from training.flops import model_flops, peak_flops
from training.loop import build_model, build_trainer, train
from training.metrics import MetricsFile
from training.model import Opt
from training.optimiser import build_optimiser, clip

RUNS = Path(__file__).resolve().parents[1] / "runs"
PAIRS, WARM = 200, 5
UPDATES, UPDATES_WARM = 20, 5
# Sequences at once: as many as leave each product large, with room to spare in 80 GB.
SIZES = {"opt-125m": 32, "opt-1.3b": 16}


@dataclass(frozen=True)
class SyntheticTokens:
    """Windows of chance: what they hold costs nothing, and no corpus has to be at hand.

    Attributes:
        width: Tokens of a window.
        ids: How many there are to draw from.
        windows: Source -> its windows.
    """

    width: int
    ids: int
    windows: dict[str, int]

    def read(self, ids: WindowIds) -> NDArray[np.uint16]:
        draw = np.random.default_rng(int(ids.window[0]))
        return draw.integers(0, self.ids, (len(ids), self.width)).astype(np.uint16)


def synthetic(config: RunConfig) -> Any:
    return SyntheticTokens(config.sequence + 1, config.model.vocabulary, {"chance": 1 << 20})


def bare_loop(model: Opt, config: RunConfig) -> Iterator[None]:
    """The loop that anybody would write: forward, backward, clip, update."""
    optimiser = build_optimiser(model.parameters(), config.optimisation)
    while True:
        token_BT = torch.randint(config.model.vocabulary, (config.batch, config.sequence + 1))
        loss = model(token_BT[:, :-1], token_BT[:, 1:]) / config.tokens_per_update
        loss.backward()
        clip(model.parameters(), config.optimisation.clip)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        float(loss.detach())
        yield


def overhead() -> None:
    """CPU seconds of an update: the trainer's over the bare loop's, pair by pair, the order changing each time."""
    torch.set_num_threads(1)
    sets = (
        "model.width=128",
        "model.feed_forward=512",
        "model.layers=4",
        "model.vocabulary=8192",
        "batch=8",
        "sequence=64",
    )
    config = load_run(str(RUNS / "tiny.toml"), (*sets, f"steps={PAIRS + WARM}", "validation.every=0"))
    trainer = build_trainer(config, synthetic(config), torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder, MetricsFile(folder) as metrics:
        ours = (metrics.append(record) for record in train(trainer))
        theirs = bare_loop(build_model(config, trainer.device), config)
        pairs = []
        for number in range(PAIRS + WARM):
            order = (ours, theirs) if number % 2 else (theirs, ours)
            spent = {}
            for one in order:
                start = time.process_time()
                next(one)
                spent[one is ours] = time.process_time() - start
            pairs.append((spent[True], spent[False]))
    own, bare = ([pair[side] for pair in pairs[WARM:]] for side in (0, 1))
    ratio = statistics.median(a / b for a, b in zip(own, bare, strict=True))
    rows = [
        ["trainer", f"{1000 * statistics.median(own):.1f}", f"{sum(own):.2f}"],
        ["bare loop", f"{1000 * statistics.median(bare):.1f}", f"{sum(bare):.2f}"],
    ]
    text = f"""## Trainer

`python workflows/benchmarks/trainer.py overhead`: {PAIRS} pairs of updates in one process and thread,
of a model of {config.model.parameters:,} parameters on {config.tokens_per_update:,} tokens;
torch {torch.__version__}, {machine()}.
The bare loop draws its tokens by chance, runs forward and backward, clips and updates; the trainer also orders,
reads and hashes its windows, measures norms, and writes a line of metrics.

{table(["", "ms of CPU an update, median", "s in all"], rows)}

The trainer takes {ratio:.3f} of the bare loop (median of pairs), {sum(own) / sum(bare):.3f} in all. MFU on a GPU
(`trainer.py mfu`): not measured; no GPU was at hand.
"""
    print(text)
    write_section("trainer", text)


def mfu(out: Path) -> None:
    """MFU of each size, dropout 0 and .1; and where its time goes."""
    if not torch.cuda.is_available():
        print("there is no GPU here: MFU was not measured")
        return
    device = torch.device("cuda")
    name = torch.cuda.get_device_name(device)
    found = []
    for size, rows in SIZES.items():
        for dropout in (0.0, 0.1):
            found.append(_measure(size, rows, dropout, device, out))
            print(json.dumps(found[-1]), flush=True)
            torch.cuda.empty_cache()
    told = {"device": name, "torch": str(torch.__version__), "peak_flops": peak_flops(name), "runs": found}
    out.write_text(json.dumps(told, indent=1) + "\n")
    print(f"written to {out}")


def _measure(size: str, rows: int, dropout: float, device: torch.device, out: Path) -> dict[str, Any]:
    steps = UPDATES_WARM + UPDATES + 1
    sets = (f"steps={steps}", f"batch={4 * rows}", f"micro_batch={rows}", "validation.every=0")
    sets += (f"model.dropout={dropout}", f"model.attention_dropout={dropout}")
    config = load_run(str(RUNS / f"{size}.toml"), sets)
    torch.cuda.reset_peak_memory_stats()
    updates = train(build_trainer(config, synthetic(config), device))
    for _ in range(UPDATES_WARM):
        next(updates)
    torch.cuda.synchronize()
    records = [next(updates) for _ in range(UPDATES)]
    with torch.profiler.profile() as profile:
        next(updates)
        torch.cuda.synchronize()
    shown = profile.key_averages().table(sort_by="self_device_time_total", row_limit=25)
    out.with_name(f"{out.stem}-{size}-dropout-{dropout:g}.txt").write_text(shown)
    seconds = statistics.median(record.seconds for record in records)
    work = model_flops(config.model, config.tokens_per_update, config.sequence)
    peak = peak_flops(torch.cuda.get_device_name(device))
    return {
        "size": size,
        "dropout": dropout,
        "micro_batch": rows,
        "tokens_per_second": config.tokens_per_update / seconds,
        "seconds": seconds,
        "model_flops": work,
        "mfu": None if peak is None else work / seconds / peak,
        "memory_bytes": torch.cuda.max_memory_allocated(),
        "loss": records[-1].loss,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["overhead", "mfu"])
    parser.add_argument("--out", type=Path, default=Path("mfu.json"), help="where MFU goes (default: mfu.json)")
    chosen = parser.parse_args()
    overhead() if chosen.what == "overhead" else mfu(chosen.out)


if __name__ == "__main__":
    main()
