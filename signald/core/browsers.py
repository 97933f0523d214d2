"""Recognises two clients of one browser, for nothing but to keep them apart while others wait.

What a browser calls itself is hashed at once: nothing keeps it, logs it or sends it on as it was said.
"""

import base64
import hashlib

import msgspec
from msgspec import Raw

from signald.core.ids import BrowserKey
from signald.core.messages import MAX_BROWSER_LENGTH, MIN_BROWSER_LENGTH, ErrorCode, ProtocolError

_DIGEST_BYTES = 12
"""Of SHA-256: among a million browsers no two have the same."""


def recognise(given: Raw) -> BrowserKey:
    """The key of a browser, without separators, that nobody can read.

    Raises:
        ProtocolError: It is no text, or not of a length that would do.
    """
    said = msgspec.json.decode(given)
    if not isinstance(said, str):
        raise ProtocolError(ErrorCode.INVALID_FORMAT, "Expected `str` - at `$.browser`")
    if not MIN_BROWSER_LENGTH <= len(said) <= MAX_BROWSER_LENGTH:
        lengths = f"{MIN_BROWSER_LENGTH} to {MAX_BROWSER_LENGTH} characters"
        raise ProtocolError(ErrorCode.INVALID_FORMAT, f"Expected {lengths} - at `$.browser`")
    digest = hashlib.sha256(b"browser " + said.encode()).digest()
    return BrowserKey(base64.urlsafe_b64encode(digest[:_DIGEST_BYTES]).decode())
