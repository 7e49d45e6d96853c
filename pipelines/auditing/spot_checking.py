"""Tokens that the auditor draws, each followed to its raw bytes and compared with them.

A token is proved by three comparisons: its bytes stand in the sealed text where its ids say; the raw records give
the document's id, which is a digest of them; and, where a record is a line and no block of another library rewrote
its text, the line read and normalised again gives the sealed text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from corpus.errors import DamagedContainerError, SourceError
from corpus.manifest import Manifest, load_manifest, read_ref
from corpus.normalise import normalise
from corpus.readers.formats import FORMATS
from corpus.recipe import DUMPS
from pipelines.auditing.raw_records import input_of, read_raw
from pipelines.auditing.sampling import addresses
from pipelines.auditing.tracing import Trace, find, prove, records_by_file, shown


@dataclass(frozen=True)
class Check:
    """What became of one drawn token.

    Attributes:
        address: <shard>:<token>.
        trace: All that is known of it.
        proved: Whether everything compared is equal; None where its source is not at hand.
        words: What was compared, what differs, or what is missing.
    """

    address: str
    trace: Trace
    proved: bool | None
    words: str


def spot_check(ref: str, seed: str, count: int, data: str | None) -> list[Check]:
    """Draws tokens and checks each; every raw file is read once, whatever number of them it holds.

    Args:
        ref: For instance build/refs/sample/1.0.0.
        seed: The auditor's; any text.
        count: Tokens to draw.
        data: The folder of the raw files; None compares nothing with them.

    Raises:
        SourceError: No such ref.
        IntegrityError: The store contradicts itself.
    """
    store, digest = read_ref(ref)
    manifest = load_manifest(store, digest)
    drawn = addresses(manifest, seed, count)
    traces = [find(store, manifest, address) for address in drawn]
    read: dict[str, dict[int, bytes]] = {}
    missing: dict[str, str] = {}
    for path, numbers in sorted(records_by_file(traces).items()):
        try:
            if data is not None:
                read[path] = read_raw(manifest, data, path, numbers)
        except DamagedContainerError:
            read[path] = {}  # a file that is there and cannot be read holds none of its records
        except SourceError as error:
            missing[path] = error.what
    pairs = zip(drawn, traces, strict=True)
    return [_check(manifest, address, trace, read, missing) for address, trace in pairs]


def _check(
    manifest: Manifest,
    address: str,
    trace: Trace,
    read: Mapping[str, Mapping[int, bytes]],
    missing: Mapping[str, str],
) -> Check:
    token, spelt, before = trace.token
    ends = token == manifest.vocabulary["end_of_document"] and before == len(trace.text)
    if not ends and trace.text[before : before + len(spelt)] != spelt:
        return Check(address, trace, False, "the token's bytes are not those of the text at its place")
    for record in trace.records:
        if record.path not in read:
            why = f": {missing[record.path]}" if record.path in missing else ""
            return Check(address, trace, None, f"{record.path} is not at hand{why}")
    found = prove(manifest, trace, read)
    lost = [record for record in found.records if record.raw is None]
    if lost:
        return Check(address, found, False, f"{lost[0].path} has no record {lost[0].record:,}")
    if not found.proved:
        return Check(address, found, False, "the raw records do not give this document's id")
    text = text_of_line(manifest, found)
    if text is not None and text != found.text:
        return Check(address, found, False, "the raw record, normalised again, gives another text")
    return Check(address, found, True, "raw record and text" if text is not None else "raw record")


def text_of_line(manifest: Manifest, trace: Trace) -> bytes | None:
    """The text that a trace's raw record gives when it is read again; None where it cannot be read by itself."""
    record, treatment = trace.records[0], manifest.recipe.text_of(trace.source[0])
    entry = input_of(manifest, record.path)
    if record.raw is None or entry.reader in DUMPS or entry.reader == "parquet" or treatment.blocks:
        return None
    if not FORMATS[entry.reader].is_lines:
        return None
    for records in FORMATS[entry.reader].read(entry, iter([record.raw]), manifest.recipe.max_record_bytes):
        if len(records) == 1:
            return normalise(records.text, treatment.normalise)[0]
    return None


def describe(checks: list[Check], ref: str, seed: str) -> str:
    """One line a token, then how many were proved; control characters are shown, not sent."""
    words = {True: "proved", False: "FAILED", None: "not at hand"}
    lines = []
    for check in checks:
        record = check.trace.records[0]
        lines.append(
            f"{words[check.proved]:<12}{check.address:<28}{shown(check.trace.token[1], 16):<20}"
            f"{check.trace.placed.doc_id}  {record.path}:{record.record}  {check.words}"
        )
    counts = ", ".join(f"{sum(check.proved is value for check in checks)} {word}" for value, word in words.items())
    return "\n".join([*lines, f"{len(checks)} tokens of {ref} drawn by seed {shown(seed.encode(), 60)}: {counts}"])
