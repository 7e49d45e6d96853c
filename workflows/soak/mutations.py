"""Spoils files of every format by the ten thousand, and reads them: no crash, no hang, no byte without an account.

    python workflows/soak/mutations.py [--mutations 10000] [--seed 1] [--reader NAME] [--first NUMBER]
                                       [--recipe R --data DIR] [--results]

Every mutation is read twice, its stream cut at other places, in a process of its own kind: bounded in memory, and
killed when one reading takes too long. Both readings must say the same and keep the laws of `accounts.py`. A fault
is printed with the command that repeats it; exits 1 when there was one. With --recipe and --data the sound files
are stretches of that recipe's own. Needs Linux: memory is read from /proc.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from accounts import broken_laws
from mutators import LONGEST, mutate
from results import machine, table, write_section
from subjects import Sizes, Subject, real_subjects, subjects

CPU_SECONDS = 20  # both readings of one mutation; what takes longer hangs. Our choice.
WALL_SECONDS = 30 * CPU_SECONDS  # for what waits and does not work, on a machine that others use too
LIMITS = (2**26, 2**26, 4096, 300)  # of a record: the default more often than others
HEADS = (
    "reader",
    "mutations",
    "MB",
    "records",
    "damaged",
    "passed over",
    "errors",
    "slowest, CPU-ms",
    "peak MB",
    "faults",
)

Case = tuple[str, int]
Work = Callable[[Connection, argparse.Namespace, Sequence[Case]], None]


@dataclass(frozen=True)
class Reading:
    """What came of one mutation."""

    case: Case
    stream_bytes: int
    records: int
    damaged: int
    skipped: int
    error: bool
    cpu_seconds: float
    peak_bytes: int
    fault: str


@dataclass
class Tally:
    """What came of all those of one reader."""

    readings: list[Reading] = field(default_factory=list)
    faults: list[tuple[Case, str]] = field(default_factory=list)

    def row(self, name: str) -> list[object]:
        """As the table has it."""
        read = self.readings
        slowest = max((reading.cpu_seconds for reading in read), default=0.0)
        return [
            *(name, f"{len(read) + len([each for each in self.faults if each[1].startswith('the process')]):,}"),
            round(sum(reading.stream_bytes for reading in read) / 1e6, 1),
            *(f"{sum(reading.records for reading in read):,}", f"{sum(reading.damaged for reading in read):,}"),
            *(f"{sum(reading.skipped for reading in read):,}", f"{sum(reading.error for reading in read):,}"),
            *(f"{1000 * slowest:,.0f}", f"{max((reading.peak_bytes for reading in read), default=0) / 1e6:,.0f}"),
            len(self.faults),
        ]


def spoil(subject: Subject, others: Sequence[bytes], seed: int, case: Case) -> tuple[bytes, random.Random]:
    """The bytes of a mutation, the same whenever asked for, and draws for how to read it."""
    draw = random.Random(f"{seed} {case[0]} {case[1]}")
    data = mutate(draw, subject.sound, others)
    return (subject.mend(data) if draw.random() < 0.5 else data), draw


def pieces(draw: random.Random, size: int) -> Sizes:
    """One way to cut a file of this size: into single bytes, where that is soon done, up to 4 MiB."""
    most = draw.choice((1, 1, 2, 7, 64, 1000, 2**16, 2**20, 2**22))
    least = 1 if draw.random() < 0.5 else most
    if size > 2**15:
        most, least = max(most, 2**12), max(least, 2**10)
    return lambda: draw.randint(least, most)


def judge(subject: Subject, data: bytes, draw: random.Random) -> tuple[tuple[int, ...], str]:
    """Reads it twice: (bytes, records, damaged, passed over, whether an error) and what was wrong, or ""."""
    limit = draw.choice(LIMITS)
    sizes = pieces(draw, len(data))
    try:
        taken = subject.read(data, lambda: LONGEST + 1, limit)
        again = subject.read(data, sizes, limit)
    except Exception as error:  # whatever it is, a reader has let it out
        return (len(data), 0, 0, 0, 0), f"raises {type(error).__name__}: {str(error)[:200]}"
    broken = broken_laws(taken, limit, is_lines=subject.is_lines)
    if taken != again:
        broken.append("cut at other places it reads otherwise")
    counts = (len(taken.stream), taken.records, taken.damaged, taken.skipped_records.total(), bool(taken.error))
    return counts, "; ".join(broken[:3])


def work(connection: Connection, options: argparse.Namespace, cases: Sequence[Case]) -> None:
    """Judges cases one after another; says which before each, so that the watcher knows what it died of."""
    warnings.simplefilter("error")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    kinds = chosen_subjects(options)
    others = list(chain.from_iterable(subject.sound for subject in kinds.values()))
    for name in dict(cases):  # loads and compiles what is loaded and compiled once
        for sound in kinds[name].sound:
            kinds[name].read(sound, lambda: LONGEST, LIMITS[0])
    for case in cases:
        subject = kinds[case[0]]
        data, draw = spoil(subject, others, options.seed, case)
        _bound(subject.most_bytes)
        connection.send(case)
        start, before = time.process_time(), _start_peak()
        counts, fault = judge(subject, data, draw)
        cpu, peak = time.process_time() - start, _peak() - before
        connection.send(Reading(case, *counts, cpu_seconds=cpu, peak_bytes=peak, fault=fault))
    connection.send(None)


def _bound(more_bytes: int) -> None:
    """From here so much memory more, and so much CPU time."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (mapped + more_bytes, hard))
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + CPU_SECONDS + 1, hard))


def _start_peak() -> int:
    """Forgets the peak so far; gives the resident bytes. Source: proc(5), clear_refs."""
    Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def watch(target: Work, options: argparse.Namespace, cases: list[Case]) -> Iterator[Reading | tuple[Case, str]]:
    """What came of every case: its reading, or the words for what ended the process that read it."""
    spawn = multiprocessing.get_context("spawn")
    while cases:
        ours, theirs = spawn.Pipe(duplex=False)
        process = spawn.Process(target=target, args=(theirs, options, cases), daemon=True)
        process.start()
        theirs.close()
        at = None
        ended = ""
        try:
            while ours.poll(WALL_SECONDS):
                told = ours.recv()
                if told is None:
                    process.join()
                    return
                if isinstance(told, Reading):
                    yield told
                at = told
            ended = f"the process did nothing for {WALL_SECONDS} s"
        except EOFError:
            pass
        process.kill()
        process.join()
        if not isinstance(at, tuple):
            raise SystemExit(f"the process that reads died between two mutations, with {process.exitcode}")
        yield at, ended or f"the process ended with {_name(process.exitcode)}"
        cases = cases[cases.index(at) + 1 :]


def _name(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return str(exitcode)
    name = signal.Signals(-exitcode).name
    return f"{name}: it took more than {CPU_SECONDS} CPU-seconds" if name == "SIGXCPU" else name


def chosen_subjects(options: argparse.Namespace) -> dict[str, Subject]:
    """The sound files and their readers."""
    return real_subjects(options.recipe, options.data) if options.recipe else subjects()


def soak(options: argparse.Namespace) -> dict[str, Tally]:
    """Every mutation of every reader asked for."""
    names = options.reader or list(chosen_subjects(options))
    tallies = {name: Tally() for name in names}
    numbers = range(options.first, options.first + options.mutations)
    cases = [(name, number) for name in names for number in numbers]
    for told in watch(work, options, cases):
        if isinstance(told, Reading):
            case, fault = told.case, told.fault
            tallies[case[0]].readings.append(told)
        else:
            case, fault = told
        if fault:
            tallies[case[0]].faults.append((case, fault))
            again = f"--seed {options.seed} --reader '{case[0]}' --first {case[1]} --mutations 1"
            print(f"{case[0]} {case[1]}: {fault}\n   again: {again}", file=sys.stderr, flush=True)
        if case[1] == numbers[-1]:
            print(*tallies[case[0]].row(case[0]), sep="  ", flush=True)
    return tallies


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutations", type=int, default=10_000, help="of each reader (%(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="draws them all (%(default)s)")
    parser.add_argument("--reader", action="append", help="this one alone; may be given again")
    parser.add_argument("--recipe", help="its inputs instead of the specimens; needs --data")
    parser.add_argument("--data", help="where they lie")
    parser.add_argument("--results", action="store_true", help="write the section `mutations` of RESULTS.md")
    options = parser.parse_args()
    tallies = soak(options)
    faults = sum(len(tally.faults) for tally in tallies.values())
    files = f" --recipe {options.recipe} --data DIR" if options.recipe else ""
    text = f"""## Mutations

`python workflows/soak/mutations.py --mutations {options.mutations} --seed {options.seed}{files}`
on {machine()}.
Each mutation was read twice, cut at other places; CPU time is that of both, memory that beside what is loaded.
{faults} faults.

{table(HEADS, (tally.row(name) for name, tally in tallies.items()))}
"""
    print(text)
    if options.results:
        write_section("mutations, real files" if options.recipe else "mutations", text)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
