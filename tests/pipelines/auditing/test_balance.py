"""The balance: every row adds up, to what pyarrow and json count by themselves; a row that is lost is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard
from tiny_corpus import Tiny, command

from corpus.drops import Drop
from pipelines.auditing.balance import Account, Line, balance

COLUMNS = ("records", "documents", "raw_bytes", "bytes")


def account(found: tuple[Account, ...], name: str) -> dict[str, Line]:
    (chosen,) = [account for account in found if account.name == name]
    return {line.stage: line for line in (chosen.read, *chosen.lines)}


def ledgers(store: Path) -> list[Path]:
    return sorted((store / "stages/verdicts").rglob("*ledger.parquet"))


def test_every_column_of_every_account_adds_up(tiny: Tiny) -> None:
    found = balance(tiny.ref)
    assert found.faults == []
    assert len(found.sources) == 6
    for whole in (*found.sources, *found.inputs):
        for column in COLUMNS:
            there = getattr(whole.read, column)
            assert there is None or there == sum(getattr(line, column) or 0 for line in whole.lines)


def test_the_numbers_are_those_of_the_files(tiny: Tiny) -> None:
    """Raw records counted in the raw file, documents in the ledger by pyarrow, tokens by the shards' sizes."""
    found = balance(tiny.ref)
    raw = (tiny.data / "pile/train/00.jsonl.zst").read_bytes()
    second = (tiny.data / "pile/train/01.jsonl.zst").read_bytes()
    streams = [
        zstandard.ZstdDecompressor().stream_reader(x, read_across_frames=True).read() for x in (raw, second)
    ]
    pile = account(found.inputs, "pile")
    assert pile["read"].bytes == sum(map(len, streams))
    assert pile["read"].records == sum(stream.count(b"\n") for stream in streams)
    unchosen = [line for line in streams[0].splitlines() if json.loads(line)["meta"]["pile_set_name"] == "Github"]
    assert pile["not chosen: Github"].records == len(unchosen)
    rows = pq.read_table(ledgers(tiny.store))
    mine = rows.filter(pc.equal(rows["source"], 1))
    near = mine.filter(pc.equal(mine["drop"], int(Drop.NEAR_DUPLICATE)))
    line = account(found.sources, "pile-cc")["duplicates: near duplicate"]
    assert (line.documents, line.bytes) == (near.num_rows, pc.sum(near["text_bytes"]).as_py())
    sizes = sum(path.stat().st_size for path in (tiny.store / "stages/shards").rglob("wikipedia-*.bin"))
    assert account(found.sources, "wikipedia")["kept"].tokens == sizes // 2


def test_a_thread_counts_its_comments(tiny: Tiny) -> None:
    reddit = account(balance(tiny.ref).sources, "reddit")["kept"]
    assert reddit.records is not None
    assert reddit.documents is not None
    assert reddit.records > 2 * reddit.documents


def test_a_lost_row_is_named(copy_of: Callable[[], Tiny]) -> None:
    tiny = copy_of()
    victim = next(path for path in ledgers(tiny.store) if pq.read_table(path).num_rows > 2)
    table = pq.read_table(victim)
    row = pc.index(pc.equal(table["drop"], 0), True).as_py()
    drop = table["drop"].to_pylist()
    drop[row] = int(Drop.TOO_FEW_WORDS)
    at = table.schema.get_field_index("drop")
    pq.write_table(table.set_column(at, "drop", [drop]).cast(table.schema), victim)
    done = command("audit.py", "balance", tiny.ref)
    assert done.returncode == 1
    assert "DOES NOT ADD UP  source" in done.stdout
    assert "by the placement" in done.stdout


def test_it_is_one_command(tiny: Tiny) -> None:
    done = command("audit.py", "balance", tiny.ref)
    assert done.returncode == 0, done.stderr
    assert "rows add up, for every source and input" in done.stdout.splitlines()[-1]
