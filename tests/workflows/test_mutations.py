"""The soak of the readers in its short form, and that it finds what it looks for."""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from corpus.drops import Drop
from corpus.readers.formats import FORMATS
from corpus.recipe import DUMPS

SOAK = Path(__file__).parents[2] / "workflows" / "soak"

sys.path.insert(0, str(SOAK))
import mutations  # noqa: E402
import mutators  # noqa: E402
from accounts import Account, Row  # noqa: E402
from subjects import Sizes, Subject, subjects  # noqa: E402

sys.path.remove(str(SOAK))

SUBJECTS = subjects()
LINE = b"a line\n"


def test_no_reader_crashes_hangs_or_loses_a_byte() -> None:
    """The short form of the soak: every reader, every container."""
    line = [sys.executable, str(SOAK / "mutations.py"), "--mutations", "60", "--seed", "11"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [row.split(" | ") for row in done.stdout.splitlines() if row.startswith("| ")][2:]
    assert {row[0].removeprefix("| ") for row in rows} == set(SUBJECTS)
    assert all(row[1] == "60" for row in rows)


def test_every_format_is_there_and_sound() -> None:
    assert set(SUBJECTS) >= {*FORMATS, *DUMPS, "parquet"}
    for name, subject in SUBJECTS.items():
        for sound in subject.sound:
            taken = subject.read(sound, lambda: 2**20, 2**26)
            assert not taken.error, name
            assert [row for row in taken.rows if row.text] or name.startswith("news-please"), name
            assert {row.damage for row in taken.rows} <= {0, Drop.MISSING_FIELD}, name


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_mutation_is_the_same_whenever_asked_for(name: str) -> None:
    others = [sound for subject in SUBJECTS.values() for sound in subject.sound]
    subject = SUBJECTS[name]
    spoilt = [mutations.spoil(subject, others, 7, (name, number))[0] for number in range(40)]
    assert spoilt == [mutations.spoil(subject, others, 7, (name, number))[0] for number in range(40)]
    assert sum(data not in subject.sound for data in spoilt) > 30
    assert spoilt != [mutations.spoil(subject, others, 8, (name, number))[0] for number in range(40)]


@pytest.mark.parametrize("mutator", mutators.MUTATORS)
@pytest.mark.parametrize("data", [b"", b"7", b"a 12 b\n" * 9])
def test_every_mutator_takes_any_bytes(mutator: mutators.Mutator, data: bytes) -> None:
    spoilt = {mutator(random.Random(seed), data, [data, b"other"]) for seed in range(50)}
    assert spoilt - {data} or data in (b"", b"7")


def honest(data: bytes, sizes: Sizes, limit: int) -> Account:
    """A row a line, whatever its length."""
    taken, at = Account(data), 0
    for number, line in enumerate(data.splitlines(keepends=True)):
        raw = line.removesuffix(b"\n")
        damage = Drop.OVERSIZE_RECORD if len(raw) > limit else 0
        taken.rows.append(
            Row(number, at, b"" if damage else raw, len(line), "", b"" if damage else raw, damage, 0)
        )
        at += len(line)
    return taken


def spoilt_row(**wrong: object) -> Callable[[bytes, Sizes, int], Account]:
    def read(data: bytes, sizes: Sizes, limit: int) -> Account:
        taken = honest(data, sizes, limit)
        taken.rows[2] = taken.rows[2]._replace(**wrong)  # type: ignore[arg-type]
        return taken

    return read


def by_the_cut(data: bytes, sizes: Sizes, limit: int) -> Account:
    taken = honest(data, sizes, limit)
    taken.rows[0] = taken.rows[0]._replace(label=str(sizes()))
    return taken


def loses_the_last(data: bytes, sizes: Sizes, limit: int) -> Account:
    taken = honest(data, sizes, limit)
    taken.rows.pop()
    return taken


def raises(data: bytes, sizes: Sizes, limit: int) -> Account:
    raise KeyError("inside")


@pytest.mark.parametrize(
    ("read", "fault"),
    [
        (honest, ""),
        (spoilt_row(raw_bytes=6), "bytes are accounted for"),
        (loses_the_last, "63 bytes are accounted for of 70"),
        (spoilt_row(number=1), "numbers rise"),
        (spoilt_row(number=99), "numbers rise"),
        (spoilt_row(offset=13), "raw bytes are where it says"),
        (spoilt_row(offset=12, raw=b""), "apart"),
        (spoilt_row(raw=b"a line\na line"), "the bytes it has"),
        (spoilt_row(damage=Drop.BROKEN_JSON), "damaged or has a text"),
        (spoilt_row(damage=Drop.EMPTY, text=b""), "its damage has a name"),
        (spoilt_row(text=b"\xff"), "Unicode"),
        (spoilt_row(facts=("\ud800",)), "Unicode"),
        (spoilt_row(repairs=-1), "repairs"),
        (by_the_cut, "cut at other places"),
        (raises, "raises KeyError"),
    ],
)
def test_a_reader_that_breaks_a_law_is_found(read: Callable[[bytes, Sizes, int], Account], fault: str) -> None:
    _, found = mutations.judge(Subject([], read, is_lines=True), LINE * 10, random.Random(3))
    assert fault in found
    assert bool(fault) == bool(found)


def test_a_record_over_the_limit_is_found() -> None:
    subject = Subject([], lambda data, sizes, limit: honest(data, sizes, 10**9))
    found = {mutations.judge(subject, b"x" * 5000, random.Random(seed))[1] for seed in range(20)}
    assert found == {"", "record 0: it is within the limit"}


def dies(connection: Connection, options: argparse.Namespace, cases: Sequence[mutations.Case]) -> None:
    """In the place of `work`: crashes at the second case, spins at the fourth, holds too much at the fifth."""
    for case in cases:
        connection.send(case)
        fault = ""
        if case[1] == 1:
            os.kill(os.getpid(), signal.SIGSEGV)
        if case[1] == 3:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_CPU, (1, 5))
            while True:
                pass
        if case[1] == 4:
            mutations._bound(2**24)
            subject = Subject([], lambda data, sizes, limit: honest(data * 10**6, sizes, limit))
            fault = mutations.judge(subject, LINE * 30, random.Random(1))[1]
        connection.send(mutations.Reading(case, 0, 0, 0, 0, False, 0.0, 0, fault))
    connection.send(None)


def test_what_kills_the_process_is_named_and_the_others_are_read() -> None:
    cases = [("x", number) for number in range(6)]
    told: Iterator[object] = mutations.watch(dies, argparse.Namespace(), cases)
    outcomes = {}
    for one in told:
        if isinstance(one, mutations.Reading):
            outcomes[one.case[1]] = one.fault
        else:
            outcomes[one[0][1]] = one[1]
    assert outcomes[1] == "the process ended with SIGSEGV"
    assert outcomes[3].startswith("the process ended with SIGXCPU")
    assert outcomes[4].startswith("raises MemoryError")
    assert [outcomes[number] for number in (0, 2, 5)] == ["", "", ""]


def test_a_real_recipe_s_files_are_cut_at_records(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"".join(b"line %d\n" % n for n in range(1000)))
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        'name = "r"\nversion = "1"\n[[source]]\nname = "s"\n'
        '[[input]]\nname = "i"\nreader = "text-lines"\nfiles = ["*.txt"]\nsources = { "*" = "s" }\n'
    )
    (subject,) = mutations.real_subjects(str(recipe), str(tmp_path)).values()
    assert all(sound.startswith(b"line ") and sound.count(b"\n") == 4 for sound in subject.sound)
    assert len(subject.sound) > 10
    assert subject == replace(subject, is_lines=True)
