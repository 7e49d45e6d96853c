"""Stacks as py-spy writes them, added up."""

from __future__ import annotations

import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "workflows" / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
from flame import Look, read_stacks, section  # noqa: E402

sys.path.remove(str(BENCHMARKS))

WORKER = 'process 7:"python -B -c";spawn_main (multiprocessing/spawn.py:122)'
TASK = f"{WORKER};run_map (pipelines/task.py:61);documents_map (pipelines/steps/documents.py:90)"
STACKS = [
    f"{TASK};document_id (corpus/document.py:40);SHA256_Update (libcrypto.so.3) 5",
    f"{TASK};judge (corpus/filters.py:88);0x7f0 (?) 4",
    f"{TASK};_blocks (corpus/readers/lines.py:9) 2",
    f"{WORKER};_read (pipelines/engines/worker.py:70);poll (libc.so.6) 900",
    f"{WORKER};_read (pipelines/engines/worker.py:70);read (libc.so.6) 1",
    'process 6:"python build_corpus.py";<module> (pipelines/build_corpus.py:30);'
    "_find_and_load (<frozen importlib._bootstrap>:1176);<module> (numba/__init__.py:4) 8",
]


def test_a_stack_counts_for_our_innermost_function_and_the_library_at_its_tip() -> None:
    assert list(read_stacks(STACKS)) == [
        Look("documents_map", "corpus/document.py: document_id", "sha256", 5),
        Look("documents_map", "corpus/filters.py: judge", "compiled kernels", 4),
        Look("documents_map", "corpus/readers/lines.py: _blocks", "Python", 2),
        Look("between tasks", "pipelines/engines/worker.py: _read", "C library", 1),
        Look("start-up", "", "numba, compiling or loading", 8),
    ]


def test_shares_are_of_all_that_did_not_wait() -> None:
    text = section(list(read_stacks(STACKS)), 4, "py-spy 1")
    assert "20 in all" in text
    assert "| documents_map | 55.0% |" in text and "| start-up | 40.0% |" in text
    assert "| documents_map | corpus/document.py: document_id | sha256 | 25.0% |" in text
