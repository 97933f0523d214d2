"""What a session was sent, counted, and kept until it is known to have arrived.

What was sent before a WebSocket ping has arrived when its pong is here, since TCP keeps order. So nothing is added to
the wire, and a client that is sent nothing keeps nothing. Messages are numbered from 1 in the order of sending.
"""

from bisect import bisect_right
from collections import deque
from typing import Final

TEXT_BYTES: Final = 64
"""What one kept message costs beyond its text, so that many small ones count too."""


_FIRST: Final = (0,)
"""The token of `ready`, as the one of a session that was sent nothing else: one for all of them."""


class Shelf:
    """What is kept for all sessions together, and how much may be.

    Args:
        messages_each: Messages kept for one session.
        bytes_each: Bytes kept for one session.
        bytes_in_all: Bytes kept for all sessions.
    """

    __slots__ = ("bytes", "bytes_each", "bytes_in_all", "messages_each")

    def __init__(self, messages_each: int, bytes_each: int, bytes_in_all: int) -> None:
        self.messages_each = messages_each
        self.bytes_each = bytes_each
        self.bytes_in_all = bytes_in_all
        self.bytes = 0
        """Kept now."""


class Outbox:
    """The messages of one session.

    Args:
        shelf: Shared by all.

    Attributes:
        sent: How many there were.
        gone: The number up to which none is kept: they have arrived, or a bound was passed.
        arrived: The number up to which all have arrived.
        bytes: Kept now.
        tokens: Numbers of the messages that carried a resume token, from the last one that has arrived on; `ready` and
            `resumed` do not count, and have the number of the message before.
    """

    __slots__ = ("_marked", "_shelf", "_texts", "arrived", "bytes", "gone", "sent", "tokens")

    def __init__(self, shelf: Shelf, sent: int = 0) -> None:
        self._shelf = shelf
        self._texts: deque[bytes] | None = None
        self._marked = sent
        self.sent = sent
        self.gone = sent
        self.arrived = sent
        self.bytes = 0
        self.tokens: tuple[int, ...] = (sent,) if sent else _FIRST

    @property
    def texts(self) -> tuple[bytes, ...]:
        """What is kept, oldest first; the last one has the number `sent`."""
        return tuple(self._texts or ())

    def add(self, text: bytes) -> None:
        """A message is sent, or would be if there were a connection."""
        self.sent += 1
        texts = self._texts
        if texts is None:
            texts = self._texts = deque()
        texts.append(text)
        size = len(text) + TEXT_BYTES
        self.bytes += size
        shelf = self._shelf
        shelf.bytes += size
        if len(texts) > shelf.messages_each or self.bytes > shelf.bytes_each or shelf.bytes > shelf.bytes_in_all:
            self._shed()

    def add_with_token(self, text: bytes) -> None:
        """The same for a message that carries a resume token."""
        self.add(text)
        self.tokens = (*self.tokens[-(TOKENS_KNOWN - 1) :], self.sent)

    def mark(self) -> None:
        """A ping is sent."""
        self._marked = self.sent

    def acknowledge(self) -> None:
        """Its pong is here."""
        if self._marked > self.arrived:
            self._arrive(self._marked)

    def is_current(self, token: int, received: int) -> bool:
        """Whether a token is the last one that the client can have.

        Args:
            token: The number of the message that carried it.
            received: How many messages the client says that it has had.
        """
        known = max(received, self.arrived)
        return token in self.tokens and not any(token < later <= known for later in self.tokens)

    def resume(self, received: int) -> bool:
        """The client is back on another connection; what it has had is kept no longer.

        Args:
            received: How many messages it says that it has had.

        Returns:
            Whether it has missed something that is not kept.
        """
        lost = not self.gone <= received <= self.sent
        if received > self.sent:  # it has counted more than there were: go on with its count
            self.clear()
            self.sent = self.gone = received
        self._arrive(max(received, self.arrived))
        self._marked = self.arrived
        self.tokens = (self.sent,)
        return lost

    def restore(self, texts: tuple[bytes, ...], tokens: tuple[int, ...]) -> None:
        """Keep what another instance has kept: the last messages of those that were sent."""
        self.sent -= len(texts)
        self.gone = self.arrived = self._marked = self.sent
        for text in texts:
            self.add(text)
        self.tokens = tokens

    def clear(self) -> None:
        """The session is over: nothing is kept any more."""
        self._shelf.bytes -= self.bytes
        self.bytes = 0
        self._texts = None
        self.gone = self.sent

    def _arrive(self, number: int) -> None:
        self.arrived = number
        if len(self.tokens) > 1:
            self.tokens = self.tokens[max(0, bisect_right(self.tokens, number) - 1) :]
        self._drop(number - self.gone)

    def _shed(self) -> None:
        """Keep less: this session's own messages, the oldest first."""
        shelf = self._shelf
        while self._texts and (
            len(self._texts) > shelf.messages_each or self.bytes > shelf.bytes_each or shelf.bytes > shelf.bytes_in_all
        ):
            self._drop(1)

    def _drop(self, count: int) -> None:
        texts = self._texts
        if texts is None or count <= 0:
            return
        if count >= len(texts):
            self.clear()
            return
        size = 0
        for _ in range(count):
            size += len(texts.popleft()) + TEXT_BYTES
        self.bytes -= size
        self._shelf.bytes -= size
        self.gone += count


TOKENS_KNOWN: Final = 256
"""Tokens of one session that are told apart while it is not known which of them have arrived.

Each partner brings one, and who is behind a dead connection has as many as press `next` before that is noticed.
"""
