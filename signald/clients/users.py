"""Knows which user each client is: checks tokens, counts each user's connections, sees tokens expire."""

import math
from collections.abc import Callable
from typing import Final, TypeVar

from twisted.internet.defer import Deferred, DeferredList, ensureDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from signald.clients.client import Client, Connection
from signald.clients.ending import dismiss
from signald.clients.newcomers import RESUME_WITHIN_S
from signald.clients.questions import Asking, Kick, Seat, WhereIs, read
from signald.core.effects import POLICY_VIOLATION
from signald.core.farewells import TOO_MANY
from signald.core.ids import ClientId, UserId
from signald.core.inputs import Identified, TokenRefused
from signald.core.limits import Overflow
from signald.core.refusals import AUTH_FAILED, BANNED, TOO_MANY_OF_USER
from signald.identity.tokens import AuthError, Identity
from signald.periodic import Countdown, PeriodicService

SWEEP_S: Final = 1.0
"""Seconds between two looks at what expires: how exactly the end of a token is kept."""

SETTLE_AGAIN_S: Final = 1.0
"""Other instances are asked about one user no more often than this, and once after each question."""

_REPLACED: Final = "a newer connection of the same user takes its place"

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Users(PeriodicService):
    """Remembers the clients that have shown a good token. Implements `signald.clients.clients.Identities`.

    Args:
        verify: Checks a token at a time (seconds since 1970); raises `AuthError`.
        clock: Tells the time and runs the sweep.
        unix_time: Seconds since 1970.
        at_most: Connections of one user; 0 for any number.
        overflow: Whether the newest is refused or the oldest is closed.
        ban_rest_s: For how long a user may not come in yet; seconds.
        ask: Puts a question to all instances; None if there are no others.
    """

    _log = Logger()

    def __init__(
        self,
        *,
        verify: Callable[[str, float], Identity],
        clock: IReactorTime,
        unix_time: Callable[[], float],
        at_most: int,
        overflow: Overflow,
        ban_rest_s: Callable[[UserId], float] = lambda user: 0.0,
        ask: Asking | None = None,
    ) -> None:
        super().__init__(clock, SWEEP_S, "the sweep of tokens")
        self._verify = verify
        self._now = clock.seconds
        self._unix_time = unix_time
        self._at_most = at_most
        self._overflow = overflow
        self._ban_rest_s = ban_rest_s
        self._ask = ask
        self._expired: Callable[[Client], None] = lambda client: None
        self._known: dict[Client, Identified] = {}
        self._replaced = Countdown(clock, RESUME_WITHIN_S, self._close_replaced, "the end of replaced connections")
        self._of_user: dict[UserId, dict[Client, float]] = {}  # oldest first, with the time since 1970
        self._ending: dict[int, dict[Client, None]] = {}  # by the second in which the token ends
        self._swept = 0
        # Whose connections on all instances are being counted: how long to wait before it is done again, if it must be.
        self._unsettled: dict[UserId, float | None] = {}
        self._settled: dict[UserId, float] = {}  # when it was done, of late

    def __len__(self) -> int:
        return len(self._of_user)

    def on_expiry(self, expired: Callable[[Client], None]) -> None:
        """Set what is called with a client whose token has expired."""
        self._expired = expired

    def startService(self) -> None:
        """Begin to sweep."""
        self._swept = math.floor(self._now())
        super().startService()

    def identify(self, client: Client, token: str) -> Identified | TokenRefused:
        """See `Identities.identify`."""
        unix_time = self._unix_time()
        try:
            identity = self._verify(token, unix_time)
        except AuthError as error:
            return TokenRefused(str(error), error.blame, AUTH_FAILED if error.blame else None)
        if rest_s := self._ban_rest_s(identity.user):
            return TokenRefused("this user is banned", refusal=BANNED, rest_s=rest_s)
        others = [other for other in self._of_user.get(identity.user, ()) if other is not client]
        if 0 < self._at_most <= len(others):
            if self._overflow is Overflow.REFUSE:
                return TokenRefused(TOO_MANY_OF_USER.message, refusal=TOO_MANY_OF_USER)
            self._replace(others)
        identified = Identified(identity.user, self._now() + identity.expires - unix_time, identity.facts)
        self._seat(client, identified)
        return identified

    def _seat(self, client: Client, identified: Identified) -> None:
        """Count a client as one of its user; and if it was not, all that the user has on all instances."""
        is_new = self._remember(client, identified)
        if is_new and self._at_most and self._ask is not None:
            wait_s = 0.0 if client.outbox is None else RESUME_WITHIN_S
            self._settle_once(identified.user, self._ask, wait_s)

    def seats(self, asked: WhereIs) -> list[Seat]:
        """The connections of a user on this instance."""
        return [Seat(came, client.id) for client, came in self._of_user.get(asked.user, {}).items()]

    def _settle_once(self, user: UserId, ask: Asking, wait_s: float) -> None:
        """Look for what a user has too much, so many seconds from now; with who comes until then, and not too often.

        Else each connection that shows the tokens of two users in turn has all instances asked at each message.
        """
        if user in self._unsettled:
            self._unsettled[user] = wait_s
            return
        self._unsettled[user] = None
        wait_s = max(wait_s, self._settled.get(user, -SETTLE_AGAIN_S) + SETTLE_AGAIN_S - self._now())
        settled = Deferred.fromCoroutine(self._settle_all(user, ask, wait_s))
        settled.addErrback(lambda failure: self._log.failure("the connections of a user", failure))

    async def _settle_all(self, user: UserId, ask: Asking, wait_s: float | None) -> None:
        try:
            while wait_s is not None:
                await self._settle(user, ask, wait_s)
                self._settled[user] = self._now()
                again_s, self._unsettled[user] = self._unsettled[user], None
                wait_s = None if again_s is None else max(again_s, SETTLE_AGAIN_S)
        finally:
            del self._unsettled[user]

    async def _settle(self, user: UserId, ask: Asking, wait_s: float) -> None:
        """Close what a user has too much on all instances together. Whoever looks, and whenever, closes the same."""
        if wait_s:
            await deferLater(self._clock, wait_s)
        found = [seat for seats in read(await ask(WhereIs(user)), list[Seat]) for seat in seats]
        # One that has just changed its home may be counted in both.
        seats = {seat.client: seat for seat in sorted(found, key=_by_coming)}.values()
        if len(seats) > self._at_most:
            refuse = self._overflow is Overflow.REFUSE
            too_many = sorted(seats, key=_by_coming, reverse=not refuse)[self._at_most :]
            kicks = [
                ask(Kick(seat.client, TOO_MANY_OF_USER.message if refuse else _REPLACED, TOO_MANY)) for seat in too_many
            ]
            await DeferredList([ensureDeferred(kick) for kick in kicks])

    def forget(self, client: Client) -> None:
        """See `Identities.forget`."""
        known = self._known.pop(client, None)
        if known is not None:
            _discard(self._of_user, known.user, client)
            _discard(self._ending, math.ceil(known.until), client)

    def returns(self, client: Client, identity: Identified, instead_of: Client) -> bool:
        """See `Identities.returns`."""
        others = [other for other in self._of_user.get(identity.user, ()) if other not in (client, instead_of)]
        if 0 < self._at_most <= len(others):
            if self._overflow is Overflow.REFUSE:
                return False
            self._replace(others)
        self.forget(instead_of)
        if self._overflow is Overflow.REPLACE:
            self.forget(client)  # what takes the place of others is the newest
        self._seat(client, identity)
        return True

    def _replace(self, others: list[Client]) -> None:
        """Close the oldest, so that one more has room. Whose session may go on is given the time for that."""
        for other in others[: len(others) - self._at_most + 1]:
            if other.outbox is None:
                dismiss(other, POLICY_VIOLATION, _REPLACED, TOO_MANY)
            else:
                self._replaced.begin((other, other.connection))

    def _close_replaced(self, replaced: tuple[Client, Connection]) -> None:
        client, connection = replaced
        if client.connection is connection:
            dismiss(client, POLICY_VIOLATION, _REPLACED, TOO_MANY)

    def _remember(self, client: Client, identified: Identified) -> bool:
        """Count a client as one of its user; gives whether it was not counted before."""
        before = self._known.get(client)
        is_new = before is None or before.user != identified.user
        if is_new:
            self.forget(client)
            self._of_user.setdefault(identified.user, {})[client] = self._unix_time()
        elif before is not None:
            _discard(self._ending, math.ceil(before.until), client)
        self._known[client] = identified
        self._ending.setdefault(math.ceil(identified.until), {})[client] = None
        return is_new

    def _beat(self) -> None:
        now = math.floor(self._now())
        if self._settled:
            self._settled = {user: at for user, at in self._settled.items() if at + SETTLE_AGAIN_S > now}
        for second in range(self._swept + 1, now + 1):
            for client in list(self._ending.pop(second, ())):
                try:
                    self._expired(client)
                except Exception:
                    self._log.failure("the end of a token of client {client}", client=client.id)
        self._swept = now


def _by_coming(seat: Seat) -> tuple[float, ClientId]:
    """An order of connections that is the same for all instances at all times."""
    return seat.came, seat.client


def _discard(clients: dict[_Key, dict[Client, _Value]], key: _Key, client: Client) -> None:
    of_key = clients.get(key)
    if of_key is not None:
        of_key.pop(client, None)
        if not of_key:
            del clients[key]
