"""What `_signals.c` offers."""

from collections.abc import Callable

from msgspec import Raw

from signald.core.messages import Answer, ClientMessage, Ice, Offer

def read(
    otherwise: Callable[[bytes], ClientMessage],
    offer: type[Offer],
    answer: type[Answer],
    ice: type[Ice],
    raw: type[Raw],
    text: bytes,
    /,
) -> ClientMessage: ...
