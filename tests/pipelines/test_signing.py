"""Signatures: anybody makes their own, a flipped bit anywhere is found, and securesystemslib reads them."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey
from tiny_corpus import Tiny, command

from corpus.errors import IntegrityError, SourceError
from corpus.manifest import Manifest, load_manifest, read_ref
from pipelines.exports.in_toto import statement
from pipelines.signing import PAYLOAD_TYPE, sign, signers, verify_signature


def new_key(folder: Path, name: str, *kind: str) -> tuple[str, str]:
    """A pair of key files, made by openssl as the README says."""
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    kind = kind or ("-algorithm", "ed25519")
    subprocess.run(["openssl", "genpkey", *kind, "-out", private], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    return str(private), str(public)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    folder = tmp_path_factory.mktemp("keys")
    return {name: new_key(folder, name) for name in ("ann", "bob", "eve")}


@pytest.fixture
def sealed(copy_of: Callable[[], Tiny]) -> tuple[Tiny, Manifest]:
    tiny = copy_of()
    return tiny, load_manifest(*read_ref(tiny.ref))


def envelopes(tiny: Tiny) -> list[Path]:
    return sorted((tiny.store / "attestations" / tiny.digest / "signatures").iterdir())


def test_two_people_sign_and_neither_replaces_the_other(sealed: Any, keys: Any) -> None:
    tiny, _ = sealed
    for name in ("ann", "bob", "ann"):
        done = command("audit.py", "sign", tiny.ref, "--key", keys[name][0])
        assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("signed before: tiny@1.0.0")
    assert len(envelopes(tiny)) == 2
    for name in ("ann", "bob"):
        done = command("audit.py", "verify", tiny.ref, "--key", keys[name][1])
        assert done.returncode == 0, done.stderr
        assert f"signed by the holder of {keys[name][1]}" in done.stdout
    done = command("audit.py", "verify", tiny.ref, "--key", keys["eve"][1])
    assert done.returncode == 1
    assert all(path.stem in done.stderr for path in envelopes(tiny))
    assert done.stdout.splitlines()[-1].startswith("FAILED: 1 check")


def test_securesystemslib_verifies_the_envelope(sealed: Any, keys: Any) -> None:
    tiny, manifest = sealed
    keyid, _ = sign(str(tiny.store), manifest, keys["ann"][0])
    data = json.loads(envelopes(tiny)[0].read_text())
    raw = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", keys["ann"][1], "-outform", "DER"], capture_output=True, check=True
    ).stdout[-32:]
    key = SSlibKey(keyid, "ed25519", "ed25519", {"public": raw.hex()})
    envelope = Envelope.from_dict(json.loads(json.dumps(data)))
    assert envelope.verify([key], 1) == {keyid: key}
    assert (envelope.payload, envelope.payload_type) == (statement(manifest), PAYLOAD_TYPE)
    data["payload"] = base64.b64encode(envelope.payload.replace(b"tiny", b"tidy")).decode()
    with pytest.raises(VerificationError):
        Envelope.from_dict(data).verify([key], 1)


def test_securesystemslib_s_signature_is_ours(sealed: Any, keys: Any) -> None:
    """ed25519 is deterministic: openssl, over the same encoding, gives the same 64 bytes."""
    tiny, manifest = sealed
    sign(str(tiny.store), manifest, keys["ann"][0])
    signature = json.loads(envelopes(tiny)[0].read_text())["signatures"][0]["sig"]
    encoded = tiny.store / "pae"
    encoded.write_bytes(Envelope(statement(manifest), PAYLOAD_TYPE, {}).pae())
    line = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", keys["ann"][0], "-in", str(encoded)]
    assert subprocess.run(line, capture_output=True, check=True).stdout == base64.b64decode(signature)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_bit_anywhere_is_found(sealed: Any, keys: Any, data: st.DataObject) -> None:
    tiny, manifest = sealed
    if not signers(str(tiny.store), manifest):
        sign(str(tiny.store), manifest, keys["ann"][0])
    (path,) = envelopes(tiny)
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1) | st.integers(len(whole) - 200, len(whole) - 1))
    harmed = bytearray(whole)
    harmed[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(harmed)
    try:
        with pytest.raises(IntegrityError):
            verify_signature(str(tiny.store), manifest, keys["ann"][1])
    finally:
        path.write_bytes(whole)
    assert verify_signature(str(tiny.store), manifest, keys["ann"][1]) == path.stem


def test_a_signature_over_another_corpus_is_refused(sealed: Any, keys: Any) -> None:
    """Eve puts Ann's true signature of one corpus beside another."""
    tiny, manifest = sealed
    store = str(tiny.store)
    sign(store, manifest, keys["ann"][0])
    other = msgspec.structs.replace(manifest, version="9.9")
    folder = tiny.store / "attestations" / other.digest() / "signatures"
    folder.mkdir(parents=True)
    (folder / envelopes(tiny)[0].name).write_bytes(envelopes(tiny)[0].read_bytes())
    with pytest.raises(IntegrityError, match="another corpus"):
        verify_signature(store, other, keys["ann"][1])


def test_a_signature_under_another_s_name_is_refused(sealed: Any, keys: Any) -> None:
    tiny, manifest = sealed
    store = str(tiny.store)
    sign(store, manifest, keys["eve"][0])
    sign(store, manifest, keys["ann"][0])
    eve = verify_signature(store, manifest, keys["eve"][1])
    for path in envelopes(tiny):
        if path.stem != eve:
            path.write_bytes((path.parent / f"{eve}.json").read_bytes())
    with pytest.raises(IntegrityError, match="does not hold"):
        verify_signature(store, manifest, keys["ann"][1])


def test_what_is_labelled_as_something_else_is_refused(sealed: Any, keys: Any) -> None:
    tiny, manifest = sealed
    sign(str(tiny.store), manifest, keys["ann"][0])
    (path,) = envelopes(tiny)
    path.write_bytes(path.read_bytes().replace(b"in-toto+json", b"other+json"))
    with pytest.raises(IntegrityError, match="labelled"):
        verify_signature(str(tiny.store), manifest, keys["ann"][1])


def test_the_same_corpus_built_elsewhere_has_the_same_signature(sealed: Any, keys: Any, tmp_path: Path) -> None:
    """Another store, engine settings and command line: the statement follows from the manifest alone."""
    tiny, manifest = sealed
    built = command(
        "build_corpus.py", "--recipe", tiny.recipe, "--data", tiny.data, "--out", tmp_path / "b", "--workers", "2"
    )
    assert built.returncode == 0, built.stderr
    for store in (str(tiny.store), str(tmp_path / "b")):
        sign(store, manifest, keys["ann"][0])
    other = tmp_path / "b" / envelopes(tiny)[0].relative_to(tiny.store)
    assert other.read_bytes() == envelopes(tiny)[0].read_bytes()
    assert signers(str(tmp_path / "b"), manifest) == [other.stem]


def test_a_signature_is_no_stray_and_harms_no_verification(sealed: Any, keys: Any) -> None:
    tiny, manifest = sealed
    sign(str(tiny.store), manifest, keys["ann"][0])
    done = command("audit.py", "verify", tiny.ref)
    assert done.returncode == 0
    assert "belong to no sealed corpus" not in done.stdout


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"), "not of ed25519"),
        (("-algorithm", "ed25519", "-aes256", "-pass", "pass:secret"), "password"),
    ],
)
def test_a_key_of_another_kind_is_an_error(sealed: Any, tmp_path: Path, kind: tuple[str, ...], words: str) -> None:
    tiny, manifest = sealed
    private = tmp_path / "key.pem"
    subprocess.run(["openssl", "genpkey", *kind, "-out", private], check=True, capture_output=True)
    with pytest.raises(SourceError, match=words):
        sign(str(tiny.store), manifest, str(private))


def test_the_wrong_half_of_a_key_says_which_is_wanted(sealed: Any, keys: Any, tmp_path: Path) -> None:
    tiny, manifest = sealed
    private, public = keys["ann"]
    with pytest.raises(SourceError, match="no private key"):
        sign(str(tiny.store), manifest, public)
    with pytest.raises(SourceError, match="-pubout"):
        verify_signature(str(tiny.store), manifest, private)
    _, curve = new_key(tmp_path, "curve", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    with pytest.raises(SourceError, match="not of ed25519"):
        verify_signature(str(tiny.store), manifest, curve)
    done = command("audit.py", "verify", tiny.ref, "--key", tmp_path / "nowhere.pem")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 3
