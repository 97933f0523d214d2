"""Who is who on this instance: takes tokens, counts each user's connections, and knows when a token ends."""

import math
from collections.abc import Callable
from typing import Final, TypeVar

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from signald.connections import Client
from signald.core.ids import UserId
from signald.core.limits import Overflow
from signald.core.session import POLICY_VIOLATION, Identified, TokenRefused
from signald.identity import AuthError, Identity

SWEEP_S: Final = 1.0
"""Seconds between two looks at what expires: a token's end is kept to within this."""


_Key = TypeVar("_Key")


class Users(MultiService):
    """The clients that have shown a good token. Implements `signald.connections.Identities`.

    Args:
        verify: Checks a token at a time (seconds since 1970); raises `AuthError`.
        clock: Tells the time and calls the sweep.
        unix_time: Seconds since 1970.
        at_most: Connections of one user on this instance; 0 for any number.
        overflow: Whether the newest is refused or the oldest closed.
        banned: Whether a user may not come in.
    """

    _log = Logger()

    def __init__(
        self,
        verify: Callable[[str, float], Identity],
        clock: IReactorTime,
        unix_time: Callable[[], float],
        at_most: int,
        overflow: Overflow,
        banned: Callable[[UserId], bool] = lambda user: False,
    ) -> None:
        super().__init__()
        self._verify = verify
        self._now = clock.seconds
        self._unix_time = unix_time
        self._at_most = at_most
        self._overflow = overflow
        self._banned = banned
        self._expired: Callable[[Client], None] = lambda client: None
        self._known: dict[Client, Identified] = {}
        self._of_user: dict[UserId, dict[Client, None]] = {}  # oldest first
        self._ending: dict[int, dict[Client, None]] = {}  # by the second in which the token ends
        self._swept = 0
        self._sweeps = LoopingCall(self._sweep)
        self._sweeps.clock = clock

    def __len__(self) -> int:
        return len(self._of_user)

    def on_expiry(self, expired: Callable[[Client], None]) -> None:
        """Say who is called with a client whose token has ended."""
        self._expired = expired

    def startService(self) -> None:
        """Begin to sweep."""
        super().startService()
        self._swept = math.floor(self._now())
        stopped = self._sweeps.start(SWEEP_S, now=False)
        stopped.addErrback(lambda failure: self._log.failure("the sweep of tokens ended", failure))

    def stopService(self) -> "Deferred[object] | None":
        """Stop sweeping."""
        if self._sweeps.running:
            self._sweeps.stop()
        stopped: Deferred[object] | None = super().stopService()
        return stopped

    def identify(self, client: Client, token: str) -> Identified | TokenRefused:
        """See `Identities.identify`."""
        unix_time = self._unix_time()
        try:
            identity = self._verify(token, unix_time)
        except AuthError as error:
            return TokenRefused(str(error), error.blame)
        if self._banned(identity.user):
            return TokenRefused("this user is banned")
        others = [other for other in self._of_user.get(identity.user, ()) if other is not client]
        if 0 < self._at_most <= len(others):
            if self._overflow is Overflow.REFUSE:
                return TokenRefused("this user has too many connections already")
            for other in others[: len(others) - self._at_most + 1]:
                other.connection.close(POLICY_VIOLATION, "a newer connection of the same user takes its place")
        identified = Identified(identity.user, self._now() + identity.expires - unix_time)
        self._remember(client, identified)
        return identified

    def forget(self, client: Client) -> None:
        """See `Identities.forget`."""
        known = self._known.pop(client, None)
        if known is not None:
            _discard(self._of_user, known.user, client)
            _discard(self._ending, math.ceil(known.until), client)

    def _remember(self, client: Client, identified: Identified) -> None:
        before = self._known.get(client)
        if before is not None and before.user == identified.user:  # keeps its place among the user's connections
            _discard(self._ending, math.ceil(before.until), client)
        else:
            self.forget(client)
        self._known[client] = identified
        self._of_user.setdefault(identified.user, {})[client] = None
        self._ending.setdefault(math.ceil(identified.until), {})[client] = None

    def _sweep(self) -> None:
        now = math.floor(self._now())
        for second in range(self._swept + 1, now + 1):
            for client in list(self._ending.pop(second, ())):
                try:
                    self._expired(client)
                except Exception:
                    self._log.failure("the end of a token of client {client}", client=client.id)
        self._swept = now


def _discard(clients: dict[_Key, dict[Client, None]], key: _Key, client: Client) -> None:
    of_key = clients.get(key)
    if of_key is not None:
        of_key.pop(client, None)
        if not of_key:
            del clients[key]
