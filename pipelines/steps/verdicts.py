"""The verdict on every record: the ledger is written, and what is kept goes on.

verdicts  losers of URLs, exact and near ones -> by block -> the ledger, and the kept documents' addresses
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from corpus.drops import Drop
from corpus.ledger import LEDGER_SUFFIX, tally
from corpus.part import read_part
from corpus.table import Columns, row_count, take
from pipelines.stage import Output
from pipelines.steps.blocks import Blocks, rows_by_block

_KEPT = ("doc_id", "source", "text_bytes")
_VERDICT = ("drop", "winner", "via", "inter", "union")


@dataclass(frozen=True)
class VerdictsJob:
    """What the stage reads: all blocks, and the parts that name who is dropped for whom, with the reason."""

    blocks: Blocks
    losers: tuple[tuple[Drop, str], ...]


def verdicts_map(job: VerdictsJob, number: int, output: Output) -> None:
    """Sends each document that lost to another to the group of its block."""
    reason, url = job.losers[number]
    near = reason == Drop.NEAR_DUPLICATE
    for part in read_part(url):
        count = row_count(part)
        columns = {name: part[name] for name in ("block", "row", "winner")}
        columns["drop"] = np.full(count, reason, np.uint8)
        columns["via"] = part["via"] if near else part["winner"]
        for name in ("inter", "union"):
            columns[name] = part[name].astype(np.int32) if near else np.zeros(count, np.int32)
        output.emit(job.blocks.group_of(columns["block"]), columns)


def verdicts_reduce(job: VerdictsJob, group: int, blocks: Iterator[Columns], output: Output) -> None:
    """Writes the final ledger row of every record of the group, and the address of what is kept."""
    members = job.blocks.group(group)
    lost = rows_by_block(blocks, members)
    first = 0
    with output.part(LEDGER_SUFFIX) as ledger, output.part("kept.arrow") as kept:
        for block in members:
            rows = job.blocks.read_rows(block)
            del rows["text_digest"]  # stays in the block's rows; a ledger is kept for ever and read often
            count = row_count(rows)
            rows |= {"winner": np.zeros((count, 16), np.uint8), "via": np.zeros((count, 16), np.uint8)}
            rows |= {"inter": np.zeros(count, np.int32), "union": np.zeros(count, np.int32)}
            if lost[block]:
                rows["drop"] = rows["drop"].copy()
                for name in _VERDICT:
                    rows[name][lost[block]["row"]] = lost[block][name]
            ledger.write(rows)
            output.counts.update(tally(rows))
            stays = np.flatnonzero(rows["drop"] == Drop.KEPT)
            columns = take({name: rows[name] for name in _KEPT}, stays)
            columns["block"] = np.full(len(stays), block, np.uint32)
            columns["row"] = stays.astype(np.uint32)
            columns["ledger"] = np.full(len(stays), group, np.uint32)
            columns["ledger_row"] = (first + stays).astype(np.uint32)
            kept.write(columns)
            output.tick(0, count)
            first += count
        output.parts += [ledger.close(), kept.close()]
