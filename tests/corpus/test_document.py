"""Texts in runs, against the bytes of Python."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from corpus.document import Texts


@given(
    st.lists(st.lists(st.binary(max_size=5), min_size=1, max_size=4), max_size=6), st.sampled_from([b"", b", "])
)
def test_runs_are_joined_as_python_joins_them(runs: list[list[bytes]], separator: bytes) -> None:
    starts = np.cumsum([0, *map(len, runs)])
    texts = Texts.from_list([text for run in runs for text in run])
    assert list(texts.join(starts[:-1], separator)) == [separator.join(run) for run in runs]
    # The same of rows that are part of a larger table.
    for first, end in pairwise(starts.tolist()):
        run = texts.cut(first, end)
        assert list(run) == list(texts)[first:end]
        assert list(run.join(np.zeros(1, np.int64), separator)) == [separator.join(run)]
