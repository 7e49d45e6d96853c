"""A sealed corpus is what its store vouches for, or an error; of nothing else is anything made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tiny_corpus import Tiny, command

from corpus.errors import IntegrityError, SourceError
from corpus.manifest import Manifest, load_manifest, read_ref
from pipelines import seal
from pipelines.sealed_corpus import load_sealed_corpus


def test_what_nobody_vouches_for_is_no_corpus(copy_of: Callable[[], Tiny]) -> None:
    harmed = copy_of()
    statement = next((harmed.store / "attestations").rglob("statement.json"))
    statement.write_bytes(statement.read_bytes().replace(b"local", b"locaI"))
    with pytest.raises(IntegrityError, match="statement"):
        load_sealed_corpus(harmed.ref)
    statement.unlink()
    with pytest.raises(SourceError, match="missing"):
        load_sealed_corpus(harmed.ref)
    for entry in (harmed.store / "history").iterdir():
        entry.unlink()
    with pytest.raises(IntegrityError, match="history"):
        load_sealed_corpus(harmed.ref)


def test_a_ref_under_another_name_is_no_corpus(copy_of: Callable[[], Tiny]) -> None:
    tiny = copy_of()
    other = Path(tiny.ref).rename(tiny.store / "refs" / "tiny" / "2")
    with pytest.raises(IntegrityError, match=r"another corpus, tiny@1\.0\.0"):
        load_sealed_corpus(str(other))


def a_document_more(manifest: Manifest) -> Manifest:
    (first, *others) = manifest.sources
    more = msgspec.structs.replace(first, kept=first.kept + 1)
    return msgspec.structs.replace(manifest, sources=(more, *others))


def a_byte_less(manifest: Manifest) -> Manifest:
    (first, *others) = manifest.inputs
    less = msgspec.structs.replace(first, stream_bytes=first.stream_bytes - 1)
    return msgspec.structs.replace(manifest, inputs=(less, *others))


@pytest.mark.parametrize("forge", [a_document_more, a_byte_less])
def test_nothing_is_made_of_a_corpus_that_does_not_add_up(
    tiny: Tiny, tmp_path: Path, forge: Callable[[Manifest], Manifest]
) -> None:
    """Every link of its chain of trust holds: it was sealed so."""
    store = str(tmp_path / "store")
    forged = forge(load_manifest(*read_ref(tiny.ref)))
    seal.publish(store, forged, [], {})
    ref = f"{store}/refs/tiny/1.0.0"
    with pytest.raises(IntegrityError, match="conservation does not hold"):
        load_sealed_corpus(ref)
    lines = (("report", ref, "--out", "r"), ("export", ref, "slsa"), ("lint", ref), ("sign", ref, "--key", "k"))
    for line in lines:
        done = command("audit.py", *line)
        assert (done.returncode, done.stdout) == (1, "")
        assert "conservation does not hold" in done.stderr
