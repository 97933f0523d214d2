"""The answer to a handshake."""

import runpy
import sys
from unittest.mock import patch

from signald.websocket import handshake
from tests.support.frames import ACCEPT, KEY


def test_accept() -> None:
    """No client takes the answer for one to its own handshake (RFC 6455 4.2.2)."""
    assert handshake.accept(KEY.encode()).endswith(b"\r\nSec-WebSocket-Accept: " + ACCEPT.encode())


def test_without_what_is_not_public() -> None:
    """Nobody can connect where Python was built without a SHA-1 of its own, or no longer has it."""
    with patch.dict(sys.modules, {"_sha1": None}):
        accept = runpy.run_path(handshake.__file__)["accept"]
    assert accept(KEY.encode()) == handshake.accept(KEY.encode())
