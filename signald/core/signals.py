"""Reads offers, answers and candidates, which are nearly all of what clients send.

`signald.core._signals` reads the usual ones in C, where there was a compiler, at half the cost: an object with no other
fields than these have and ``roomId``, each once, and values as `JSON.stringify` writes them, but no list and no half
of a pair of surrogates. Their payloads are `bytes` then, which are made faster than `Raw`. `messages.parse` is the
reference: it reads all others, and everything elsewhere.
"""

from collections.abc import Callable
from functools import partial

from msgspec import Raw

from signald.core.messages import Answer, ClientMessage, Ice, Offer, parse

try:
    from signald.core import _signals
except ImportError:  # there was no compiler
    _FASTEST: Callable[[bytes], ClientMessage] = parse
else:
    _FASTEST = partial(_signals.read, parse, Offer, Answer, Ice, Raw)


def reader(*, native: bool) -> Callable[[bytes], ClientMessage]:
    """Choose what does as `messages.parse` does.

    Args:
        native: Whether it may be the one in C; without that, or where it was not built, it is `parse` itself.
    """
    return _FASTEST if native else parse
