"""The ways of reading and writing sockets, for tests that run over both."""

import pytest

from signald.network import sockets

_FASTEST = sockets.choose(native=True)
_NEEDS_C = pytest.mark.skipif(_FASTEST is sockets.IN_PYTHON, reason="signald was built without a compiler")

WAYS = [pytest.param(sockets.IN_PYTHON, id="python"), pytest.param(_FASTEST, id="c", marks=_NEEDS_C)]
