"""What is not Unicode becomes U+FFFD, and is counted: bytes that are not UTF-8, escapes of half a character."""

from __future__ import annotations

import re

_REPLACEMENT = "\ufffd"

# Everything after a backslash is taken in one go, so that an escaped backslash does not start an escape.
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair of surrogates: one character
    rb"|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\.",
    re.DOTALL,
)


def is_utf8(data: bytes) -> bool:
    """Whether the bytes need no repair."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def repair_utf8(data: bytes) -> tuple[bytes, int]:
    """The bytes as valid UTF-8, and how many U+FFFD that took.

    Each maximal part of an ill-formed sequence becomes one. Source: The Unicode Standard, section 3.9, "U+FFFD
    Substitution of Maximal Subparts".
    """
    if is_utf8(data):
        return data, 0
    repaired = data.decode(errors="replace")
    # 0xEF never continues a sequence, so what decodes to U+FFFD without repair is found byte for byte.
    return repaired.encode(), repaired.count(_REPLACEMENT) - data.count(_REPLACEMENT.encode())


def repair_surrogate_escapes(json: bytes) -> tuple[bytes, int]:
    r"""JSON with every lone `\ud800` to `\udfff` made `\ufffd`, and how many there were.

    Python's `json.dumps` writes them for strings that are no Unicode text. RFC 8259, section 8.2, leaves their
    meaning open, and strict parsers refuse them.
    """
    repairs = 0

    def repaired(escape: re.Match[bytes]) -> bytes:
        nonlocal repairs
        if escape["lone"] is None:
            return escape[0]
        repairs += 1
        return rb"\ufffd"

    return _ESCAPE.sub(repaired, json), repairs
