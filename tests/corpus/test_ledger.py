"""The law of conservation: sums over ledger rows, and what happens when one row is lost."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.drops import Drop
from corpus.errors import IntegrityError
from corpus.ledger import Dropped, InputBalance, balances, check_input, check_source, tally
from corpus.table import Columns

rows_of = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(list(Drop)),
        st.integers(0, 1000),
        st.integers(0, 1000),
        st.integers(0, 1000),
        st.integers(0, 3),
    ),
    max_size=40,
)


def columns_of(rows: list[tuple[int, ...]]) -> Columns:
    names = ("source", "drop", "raw_bytes", "extracted_bytes", "text_bytes", "repairs")
    types = (np.uint16, np.uint8, np.int64, np.int64, np.int64, np.int32)
    return {
        name: np.array([row[i] for row in rows], dtype)
        for i, (name, dtype) in enumerate(zip(names, types, strict=True))
    }


@given(rows_of)
def test_balances_are_sums_over_rows_and_obey_the_law(rows: list[tuple[int, ...]]) -> None:
    found = balances(tally(columns_of(rows)), ["a", "b", "c"])
    for number, balance in enumerate(found):
        mine = [row for row in rows if row[0] == number]
        assert balance.documents == len(mine)
        assert balance.raw_bytes == sum(row[2] for row in mine)
        assert balance.kept == sum(row[1] == Drop.KEPT for row in mine)
        assert balance.text_bytes == sum(row[4] for row in mine if row[1] == Drop.KEPT)
        assert sum(dropped.documents for dropped in balance.dropped.values()) == len(mine) - balance.kept
        unread = sum(row[2] for row in mine if Drop.KEPT < row[1] < Drop.EMPTY)
        refused = sum(row[4] for row in mine if row[1] >= Drop.EMPTY)
        assert sum(dropped.bytes for dropped in balance.dropped.values()) == unread + refused
        check_source(balance)


@given(rows_of, rows_of)
def test_sums_do_not_know_how_rows_were_parted(one: list[tuple[int, ...]], two: list[tuple[int, ...]]) -> None:
    together = tally(columns_of(one + two))
    apart = tally(columns_of(one)), tally(columns_of(two))
    assert together == {key: apart[0].get(key, 0) + apart[1].get(key, 0) for key in sorted({*apart[0], *apart[1]})}


def test_a_lost_or_invented_document_or_byte_breaks_the_law() -> None:
    rows = [(0, Drop.KEPT, 100, 80, 70, 0), (0, Drop.EMPTY, 10, 2, 0, 0)]
    (balance,) = balances(tally(columns_of(rows)), ["a"])
    check_source(balance)
    for wrong in (
        msgspec.structs.replace(balance, kept=2),
        msgspec.structs.replace(balance, raw_bytes=111),
        msgspec.structs.replace(balance, dropped={"empty": Dropped(2, 0)}),
        msgspec.structs.replace(balance, text_bytes=69),
    ):
        with pytest.raises(IntegrityError, match="conservation"):
            check_source(wrong)
    whole = InputBalance("i", 1, 50, 120, 3, 2, 110, {"blank line": (1, 10)})
    check_input(whole)
    for wrong_input in (
        msgspec.structs.replace(whole, records=4),
        msgspec.structs.replace(whole, stream_bytes=121),
        msgspec.structs.replace(whole, unchosen={}),
    ):
        with pytest.raises(IntegrityError, match="conservation"):
            check_input(wrong_input)
