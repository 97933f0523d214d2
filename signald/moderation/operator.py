"""Does what the operator wants with clients, wherever they are: look, kick, ban, lift a ban.

Looking, kicking and banning by client are questions to all instances (`signald.clients.questions`): the one that has
the client acts. Bans are known to all of them.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from msgspec import UNSET
from twisted.logger import Logger

from signald.brokers.interface import ModerationEvents
from signald.clients.client import Client
from signald.clients.clients import Clients
from signald.clients.ending import dismiss
from signald.clients.questions import BanClient, Bannings, ClientFacts, ClientList, Kick, Look, Questions
from signald.core.addresses import household
from signald.core.bans import Ban, BanKind
from signald.core.effects import POLICY_VIOLATION
from signald.core.farewells import banned
from signald.core.standing import State
from signald.moderation.bans import Bans
from signald.moderation.traces import Traces


class Moderation:
    """Acts for the operator on this instance. Implements `ModerationEvents`.

    Args:
        clients: Of this instance.
        questions: Puts them to all instances; here this answers them.
        instance: Gives this instance's name.
        bans: Of all instances.
        traces: Who was here a short while ago.
        now: Seconds, monotonic.
    """

    _log = Logger()

    def __init__(
        self,
        *,
        clients: Clients,
        questions: Questions,
        instance: Callable[[], str],
        bans: Bans,
        traces: Traces,
        now: Callable[[], float],
    ) -> None:
        self._clients = clients
        self._questions = questions
        self._instance = instance
        self._bans = bans
        self._traces = traces
        self._now = now
        questions.on(Look, self._look)
        questions.on(Kick, self._kick)
        questions.on(BanClient, self._ban_client)

    # --- for the operator ---------------------------------------------------------------------------------------------

    def ban(self, kind: BanKind, value: str, seconds: float, reason: str, by: str) -> Ban:
        """Ban a user or an address, and close whoever is concerned, on every instance; `by` is for the log."""
        ban = self._bans.say(kind, value, seconds, reason)
        self._log.info(
            "one {kind} banned for {seconds:g} s by {by}: {reason!r}",
            kind=kind.value,
            seconds=seconds,
            by=by,
            reason=reason,
        )
        self._close_banned([ban])
        return ban

    def find(self, kind: BanKind, value: str) -> Ban | None:
        """The ban on somebody that is in force."""
        return self._bans.find(kind, value)

    def lift(self, kind: BanKind, value: str, by: str) -> bool:
        """End a ban on every instance; false if there is none."""
        lifted = self._bans.lift(kind, value)
        if lifted:
            self._log.info("a ban on one {kind} was lifted by {by}", kind=kind.value, by=by)
        return lifted

    def in_force(self) -> list[Ban]:
        """All bans, each sort in the order in which they were said."""
        return self._bans.in_force()

    # --- from the broker ----------------------------------------------------------------------------------------------

    def banned(self, bans: Sequence[Ban]) -> None:
        """See `ModerationEvents.banned`."""
        self._close_banned(self._bans.merge(bans))

    def bans(self) -> Sequence[Ban]:
        """See `ModerationEvents.bans`."""
        return self._bans.known()

    def asked(self, question: bytes) -> bytes:
        """See `ModerationEvents.asked`."""
        return self._questions.asked(question)

    # --- here ---------------------------------------------------------------------------------------------------------

    def _look(self, asked: Look) -> ClientList:
        clients: Iterable[Client]
        if asked.client is None and asked.search:
            wanted = (client for client in self._clients if _tells(client, asked.search, addresses=asked.addresses))
            clients = islice(wanted, asked.limit)
        elif asked.client is None:
            clients = self._clients.first(asked.limit)
        else:
            client = self._clients.find(asked.client)
            clients = () if client is None else (client,)
        return ClientList(
            len(self._clients) + self._clients.away, [self._facts(client, asked.addresses) for client in clients]
        )

    def _facts(self, client: Client, addresses: bool) -> ClientFacts:
        session, away_s = client.session, self._clients.away_for(client)
        return ClientFacts(
            client_id=client.id,
            instance_id=self._instance(),
            state=session.state.value,
            connected_seconds=round(self._now() - client.opened, 1),
            messages=client.messages,
            user_id=session.user or UNSET,
            room_id=session.room or UNSET,
            partner_id=session.partner or UNSET,
            address=client.address if addresses else UNSET,
            away_seconds=UNSET if away_s is None else round(away_s, 1),
        )

    def _kick(self, asked: Kick) -> bool:
        client = self._clients.find(asked.client)
        if client is not None:
            self._log.info(
                "client {client} kicked by {by}: {reason!r}", client=client.id, by=asked.by, reason=asked.reason
            )
            dismiss(client, POLICY_VIOLATION, _short(asked.reason), asked.farewell)
        return client is not None

    def _ban_client(self, asked: BanClient) -> Bannings:
        client = self._clients.find(asked.client)
        found = (client.session.user, client.address) if client else self._traces.find(asked.client)
        if found is None:
            return Bannings(found=False, bans=[])
        user, address = found
        kinds = asked.kinds or {BanKind.USER if user else BanKind.ADDRESS}
        values = {BanKind.USER: user, BanKind.ADDRESS: address}
        bans = [
            self.ban(kind, value, asked.seconds, asked.reason, asked.by) for kind in kinds if (value := values[kind])
        ]
        return Bannings(found=True, bans=bans)

    def _close_banned(self, bans: Sequence[Ban]) -> None:
        """Close the clients that bans concern; automatic bans concern only those who come later."""
        users = {ban.value: ban for ban in bans if ban.kind is BanKind.USER}
        households = {ban.value: ban for ban in bans if ban.kind is BanKind.ADDRESS and not ban.automatic}
        concerned: list[tuple[Client, Ban]] = []
        for client in self._clients if users or households else ():
            ban = users.get(client.session.user or "")
            if ban is None and households:
                ban = households.get(household(client.address))
            if ban is not None:
                concerned.append((client, ban))
        # Those that wait first: else one's partner might be matched with the next.
        for client, ban in sorted(concerned, key=lambda each: each[0].session.state is State.PAIRED):
            words = f"banned: {ban.reason}" if ban.reason else "banned"
            dismiss(client, POLICY_VIOLATION, _short(words), banned(self._bans.rest_s(ban)))


def _tells(client: Client, search: str, *, addresses: bool) -> bool:
    """Whether something of a client has this in it, whatever the case."""
    session = client.session
    about = (client.id, session.user, session.room, session.partner, client.address if addresses else None)
    return any(text is not None and search.casefold() in text.casefold() for text in about)


def _short(reason: str) -> str:
    """Cut a reason to what fits into a close frame: 123 bytes (RFC 6455 5.5.1)."""
    return reason.encode()[:123].decode(errors="ignore")


def _conforms(moderation: Moderation) -> ModerationEvents:
    return moderation
