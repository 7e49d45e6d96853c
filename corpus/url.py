"""When two URLs are the same: exact strings, after what cannot matter is taken off.

Version 1, in this order, on bytes:

1. The fragment goes, from the first `#`: it is never sent to a server.
2. Spaces, tabs, line ends and angle brackets around it go: none may stand in a URL (RFC 3986, section 2; wget puts
   brackets around what it writes into a WARC).
3. Scheme, host and port are written in lower case, ASCII letters alone (RFC 3986, sections 3.1 and 3.2.2).

Nothing else: http and https, a slash at the end, `www.`, default ports, percent signs and the order of a query's
parameters may each make another page, and to a site they sometimes do.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

URL_VERSION: Final = 1
"""Raised with every change of which URLs are the same."""

KEY_BYTES: Final = 16
"""Of a URL's key: among a trillion URLs two of one key are less likely than one in 10**14."""

_AROUND = b" \t\r\n<>"
_AUTHORITY = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*:)?//([^/?]*)")


def canonical_url(url: bytes) -> bytes:
    """The URL as it is compared, see above; what is no URL comes out as a string all the same."""
    url = url.partition(b"#")[0].strip(_AROUND)
    found = _AUTHORITY.match(url)
    if found is None:
        return url
    user, at, host = found[2].rpartition(b"@")
    return (found[1] or b"").lower() + b"//" + user + at + host.lower() + url[found.end() :]


def host_of(canonical: bytes) -> bytes:
    """The host of a canonical URL, without user, port and the root's dot; b"" where it names none."""
    found = _AUTHORITY.match(canonical)
    if found is None:
        return b""
    host = found[2].rpartition(b"@")[2]
    return re.sub(rb":[0-9]*\Z", b"", host).removesuffix(b".")


def url_key(canonical: bytes) -> bytes:
    """What stands for a canonical URL in tables: the first `KEY_BYTES` of its sha256."""
    return hashlib.sha256(canonical).digest()[:KEY_BYTES]
