"""Signatures over a sealed corpus: DSSE envelopes of its in-toto statement, ed25519, one file a key.

    <store>/attestations/<manifest digest>/signatures/<key id>.json

The statement follows from the manifest alone, so that any number of people sign the same bytes, each with a key of
their own, and none replaces another's. An envelope is accepted in one spelling only (RFC 8785, its key's id as its
name): a flipped bit anywhere in it is found, be it where base64 does not look.

    openssl genpkey -algorithm ed25519 -out key.pem        makes a key
    openssl pkey -in key.pem -pubout -out pub.pem          its public half, for those who verify

Source: DSSE v1.0.2 (secure-systems-lab/dsse, protocol.md); ed25519: RFC 8032. The one seam to cryptography.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import rfc8785

from corpus import storage
from corpus.attestation import STATEMENT_TYPE, attestation_url
from corpus.errors import IntegrityError, RecipeError, SourceError
from corpus.manifest import Manifest
from pipelines.exports.in_toto import statement, subjects

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_PRIVATE = "make one with: openssl genpkey -algorithm ed25519 -out key.pem"
_PUBLIC = "write the public half with: openssl pkey -in key.pem -pubout -out pub.pem"


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One signature; the key's id is a hint that no signature covers."""

    keyid: str
    sig: str


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A DSSE envelope of one signature; payload and signature in base64."""

    payload: str
    payload_type: str
    signatures: tuple[Signature]

    def canonical(self) -> bytes:
        """The one spelling that is accepted."""
        return rfc8785.dumps(msgspec.to_builtins(self))


class _Signed(msgspec.Struct, frozen=True):
    """What must be so of a payload."""

    type: str = msgspec.field(name="_type")
    subject: list[dict[str, Any]]


def sign(store: str, manifest: Manifest, key_file: str) -> tuple[str, bool]:
    """Signs a corpus with a private key; gives the key's id and whether it had not signed before.

    Raises:
        RecipeError: The library is not installed.
        SourceError: The key cannot be read, or is no private ed25519 key.
        StoreError: The store cannot be written.
        IntegrityError: Another file stands where the signature belongs.
    """
    key = _private_key(key_file)
    keyid = _key_id(key.public_key())
    payload = statement(manifest)
    signature = Signature(keyid, _encode(key.sign(_pre_authentication(payload))))
    data = Envelope(_encode(payload), PAYLOAD_TYPE, (signature,)).canonical()
    new = storage.publish(_envelope_url(store, manifest, keyid), data)
    if not new:
        _check(store, manifest, key.public_key(), key_file)
    return keyid, new


def verify_signature(store: str, manifest: Manifest, key_file: str) -> str:
    """Proves that the holder of a key signed this very corpus; gives the key's id.

    Args:
        store: Where the corpus and its signatures lie.
        manifest: The corpus, proved against its digest.
        key_file: The public key, PEM.

    Raises:
        RecipeError: The library is not installed.
        SourceError: The key cannot be read, or is no public ed25519 key.
        IntegrityError: It did not sign, or its signature does not hold, or holds over another corpus.
    """
    return _check(store, manifest, _public_key(key_file), key_file)


def signers(store: str, manifest: Manifest) -> list[str]:
    """The ids of the keys that signed, in order; nothing of them is checked."""
    folder = attestation_url(store, manifest.digest(), "signatures")
    return [name.removesuffix(".json") for name in storage.list_files(folder)]


def _check(store: str, manifest: Manifest, key: Ed25519PublicKey, key_file: str) -> str:
    from cryptography.exceptions import InvalidSignature

    keyid = _key_id(key)
    url = _envelope_url(store, manifest, keyid)
    try:
        data = storage.read_bytes(url)
    except FileNotFoundError as error:
        known = ", ".join(signers(store, manifest)) or "nobody"
        raise IntegrityError(
            f"the key {keyid} did not sign {manifest.name}@{manifest.version}; who did: {known}",
            where=key_file,
            remedy="verify with the key of somebody who signed, or do not rely on this corpus",
        ) from error
    try:
        envelope = msgspec.json.decode(data, type=Envelope)
        payload, signature = (_decode(text) for text in (envelope.payload, envelope.signatures[0].sig))
        key.verify(signature, _pre_authentication(payload))
        signed = msgspec.json.decode(payload, type=_Signed)
    except (msgspec.DecodeError, ValueError, InvalidSignature) as error:
        raise _untrue(f"the signature of the key {keyid} does not hold", url) from error
    if (envelope.payload_type, envelope.signatures[0].keyid) != (PAYLOAD_TYPE, keyid):
        raise _untrue(f"what the key {keyid} signed is labelled as something else", url)
    if envelope.canonical() != data or (_encode(payload), _encode(signature)) != (
        envelope.payload,
        envelope.signatures[0].sig,
    ):
        raise _untrue("the envelope is not spelled as it was written", url)
    # Not the whole statement: a later release may say more, and what was signed before stays signed.
    if (signed.type, signed.subject) != (STATEMENT_TYPE, subjects(manifest)):
        raise _untrue(f"the key {keyid} signed another corpus", url)
    return keyid


def _untrue(what: str, url: str) -> IntegrityError:
    return IntegrityError(what, where=url, remedy="restore the file from a copy, or have its holder sign again")


def _pre_authentication(payload: bytes) -> bytes:
    """What is signed: DSSE's pre-authentication encoding, which leaves no doubt where type and payload end."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _envelope_url(store: str, manifest: Manifest, keyid: str) -> str:
    return storage.join(attestation_url(store, manifest.digest(), "signatures"), f"{keyid}.json")


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _key_id(key: Ed25519PublicKey) -> str:
    """sha256 of the public key as it is written everywhere (SubjectPublicKeyInfo, DER), 64 hex digits."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _private_key(key_file: str) -> Ed25519PrivateKey:
    data = _read_key(key_file, _PRIVATE)
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(data, password=None)
    except TypeError as error:
        remedy = "take its password off for this: openssl pkey -in key.pem -out open.pem"
        raise SourceError("the key has a password", where=key_file, remedy=remedy) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SourceError("this is no private key in PEM", where=key_file, remedy=_PRIVATE) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SourceError("the key is not of ed25519", where=key_file, remedy=_PRIVATE)
    return key


def _public_key(key_file: str) -> Ed25519PublicKey:
    data = _read_key(key_file, _PUBLIC)
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SourceError("this is no public key in PEM", where=key_file, remedy=_PUBLIC) from error
    if not isinstance(key, Ed25519PublicKey):
        raise SourceError("the key is not of ed25519", where=key_file, remedy=_PRIVATE)
    return key


def _read_key(key_file: str, remedy: str) -> bytes:
    if importlib.util.find_spec("cryptography") is None:
        raise RecipeError(
            "signatures need the library cryptography", where=key_file, remedy="pip install 'tokentrail[sign]'"
        )
    try:
        return Path(key_file).read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read the key: {error.strerror}", where=key_file, remedy=remedy) from error
