"""Answers the operator: who is connected, who has to go. JSON, on the admin endpoints, for whoever has ADMIN_TOKEN.

=========================================  =============================================================================
``GET /clients``                           all clients of all instances; ``?limit=``, ``?addresses=true``
``GET /clients/<id>``                      one of them; ``?addresses=true``
``DELETE /clients/<id>``                   close it; ``?reason=``
``GET /pools``                             where clients wait, the fullest pools first; ``?limit=``
``GET /bans``                              who is banned; ``?limit=``, the latest first
``POST /bans``                             ban: `NewBan`
``GET /bans/user/<user>``                  whether somebody is banned; also ``/bans/address/<address>``
``DELETE /bans/user/<user>``               lift a ban; also ``/bans/address/<address>``
=========================================  =============================================================================

Errors are ``{"error": "what is wrong"}`` with a status that fits (RFC 9110 15.5). Answers that other instances are part
of tell which did not answer (``silent``) and whether all were asked (``complete``: not while the store is away).
"""

from collections.abc import Mapping
from http import HTTPStatus
from ipaddress import ip_address
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType
from twisted.web.resource import IResource
from twisted.web.server import Request

from signald.brokers.interface import Answers
from signald.clients.pools import together
from signald.clients.questions import (
    BanClient,
    Bannings,
    ClientList,
    Kick,
    Look,
    LookAtPools,
    PoolList,
    read,
    silent,
)
from signald.core import addresses
from signald.core.bans import Ban, BanKind
from signald.core.ids import ClientId
from signald.core.messages import MAX_CLIENT_ID_LENGTH, MAX_USER_ID_LENGTH
from signald.web.api import Api, ApiError, Endpoint, Method, body, flag, number, query, text_of

LISTED: Final = 100
"""Clients, pools or bans in one answer if the request does not say."""

LISTED_AT_MOST: Final = 1_000
"""Clients or pools of each instance in one answer: a list of more would hold up everything else for a moment."""

TEN_YEARS_S: Final = 10 * 365 * 86400

Reason = Annotated[str, Meta(max_length=100)]


class NewBan(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST /bans``: one of the first three, and for how long.

    Attributes:
        user: A ``sub``.
        address: An IP address; of IPv6 its /64 is banned.
        client: A client id: its user is banned, or if that is not known its address. It may have gone within the hour.
        seconds: How long.
        reason: For who is banned, and for other operators.
        kinds: With `client`: what to ban of it, ``["user", "address"]``.
    """

    seconds: Annotated[float, Meta(gt=0, le=TEN_YEARS_S)]
    user: Annotated[str, Meta(min_length=1, max_length=MAX_USER_ID_LENGTH)] | UnsetType = UNSET
    address: str | UnsetType = UNSET
    client: Annotated[str, Meta(min_length=1, max_length=MAX_CLIENT_ID_LENGTH)] | UnsetType = UNSET
    reason: Reason = ""
    kinds: set[BanKind] = set()


class ClientsPage(Endpoint):
    """``/clients``."""

    def methods(self) -> Mapping[bytes, Method]:
        """See `Endpoint.methods`."""
        return {b"GET": self._list}

    def getChild(self, path: bytes, request: Request) -> IResource:
        """See `Resource.getChild`."""
        return _Client(self._api, ClientId(text_of(path)))

    async def _list(self, request: Request) -> tuple[HTTPStatus, object]:
        limit = number(request, b"limit", LISTED, LISTED_AT_MOST)
        answers = await self._api.ask(Look(limit, addresses=flag(request, b"addresses")))
        lists = list(read(answers, ClientList))
        clients = [client for of_one in lists for client in of_one.clients]
        total = sum(of_one.total for of_one in lists)
        return HTTPStatus.OK, {"total": total, "clients": clients[:limit], **_reached(answers)}


class _Client(Endpoint):
    """``/clients/<id>``."""

    def __init__(self, api: Api, client: ClientId) -> None:
        super().__init__(api)
        self._client = client

    def methods(self) -> Mapping[bytes, Method]:
        """See `Endpoint.methods`."""
        return {b"GET": self._look, b"DELETE": self._kick}

    async def _look(self, request: Request) -> tuple[HTTPStatus, object]:
        question = Look(1, addresses=flag(request, b"addresses"), client=self._client)
        answers = await self._api.ask(question)
        found = [client for of_one in read(answers, ClientList) for client in of_one.clients]
        if not found:
            raise _nobody(answers)
        return HTTPStatus.OK, found[0]

    async def _kick(self, request: Request) -> tuple[HTTPStatus, object]:
        reason = query(request, b"reason") or "kicked by the operator"
        if len(reason) > 100:
            raise ApiError(HTTPStatus.BAD_REQUEST, "reason: at most 100 characters")
        answers = await self._api.ask(Kick(self._client, reason))
        if not any(read(answers, bool)):
            raise _nobody(answers)
        return HTTPStatus.NO_CONTENT, None


class PoolsPage(Endpoint):
    """``/pools``."""

    def methods(self) -> Mapping[bytes, Method]:
        """See `Endpoint.methods`."""
        return {b"GET": self._list}

    async def _list(self, request: Request) -> tuple[HTTPStatus, object]:
        limit = number(request, b"limit", LISTED, LISTED_AT_MOST)
        answers = await self._api.ask(LookAtPools(limit))
        lists = list(read(answers, PoolList))
        pools = together(lists)
        # Of pools that an instance does not list it is not known whether another one has them too.
        total = max(len(pools), *(of_one.total for of_one in lists), 0)
        return HTTPStatus.OK, {"total": total, "pools": pools[:limit], **_reached(answers)}


class BansPage(Endpoint):
    """``/bans``."""

    def methods(self) -> Mapping[bytes, Method]:
        """See `Endpoint.methods`."""
        return {b"GET": self._list, b"POST": self._ban}

    def getChild(self, path: bytes, request: Request) -> IResource:
        """See `Resource.getChild`."""
        return _BansOf(self._api, BanKind(text_of(path))) if path in _KINDS else Endpoint(self._api)

    async def _list(self, request: Request) -> tuple[HTTPStatus, object]:
        limit = number(request, b"limit", LISTED, LISTED_AT_MOST)
        bans = sorted(self._api.operator.in_force(), key=lambda ban: -ban.at)
        return HTTPStatus.OK, {"total": len(bans), "bans": [_shown(ban) for ban in bans[:limit]]}

    async def _ban(self, request: Request) -> tuple[HTTPStatus, object]:
        asked = body(request, NewBan)
        named = [name for name in ("user", "address", "client") if getattr(asked, name) is not UNSET]
        if len(named) != 1:
            raise ApiError(HTTPStatus.BAD_REQUEST, "name exactly one of user, address and client")
        if (asked.user or BanKind.USER in asked.kinds) and not self._api.users_known:
            raise ApiError(HTTPStatus.CONFLICT, "AUTH_MODE is off: nobody's user is known here")
        if asked.kinds and not asked.client:
            raise ApiError(HTTPStatus.BAD_REQUEST, "kinds: only with client")
        if asked.client:
            return await self._ban_client(ClientId(asked.client), asked)
        kind = BanKind(named[0])
        value = asked.user or _address(asked.address or "")
        ban = self._api.operator.ban(kind, value, asked.seconds, asked.reason)
        return HTTPStatus.CREATED, {"bans": [_shown(ban)]}

    async def _ban_client(self, client: ClientId, asked: NewBan) -> tuple[HTTPStatus, object]:
        answers = await self._api.ask(BanClient(client, asked.kinds, asked.seconds, asked.reason))
        found = [said for said in read(answers, Bannings) if said.found]
        if not found:
            raise _nobody(answers)
        bans = [ban for said in found for ban in said.bans]
        if not bans:
            raise ApiError(HTTPStatus.CONFLICT, f"of this client no {' and no '.join(sorted(asked.kinds))} is known")
        return HTTPStatus.CREATED, {"bans": [_shown(ban) for ban in bans]}


class _BansOf(Endpoint):
    """``/bans/user`` and ``/bans/address``."""

    def __init__(self, api: Api, kind: BanKind) -> None:
        super().__init__(api)
        self._kind = kind

    def getChild(self, path: bytes, request: Request) -> IResource:
        """See `Resource.getChild`."""
        value = text_of(path)
        return _Ban(self._api, self._kind, value if self._kind is BanKind.USER else addresses.normalise(value))


class _Ban(Endpoint):
    """``/bans/user/<user>`` and ``/bans/address/<address>``."""

    def __init__(self, api: Api, kind: BanKind, value: str) -> None:
        super().__init__(api)
        self._kind = kind
        self._value = value

    def methods(self) -> Mapping[bytes, Method]:
        """See `Endpoint.methods`."""
        return {b"GET": self._show, b"DELETE": self._lift}

    async def _show(self, request: Request) -> tuple[HTTPStatus, object]:
        ban = self._api.operator.find(self._kind, self._value)
        if ban is None:
            raise ApiError(HTTPStatus.NOT_FOUND, f"no ban on this {self._kind.value}")
        return HTTPStatus.OK, _shown(ban)

    async def _lift(self, request: Request) -> tuple[HTTPStatus, object]:
        if not self._api.operator.lift(self._kind, self._value):
            raise ApiError(HTTPStatus.NOT_FOUND, f"no ban on this {self._kind.value}")
        return HTTPStatus.NO_CONTENT, None


_KINDS: Final = frozenset(kind.value.encode() for kind in BanKind)


def _nobody(answers: Answers) -> ApiError:
    if answers.reached_all and not silent(answers):
        return ApiError(HTTPStatus.NOT_FOUND, "no such client")
    return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "no such client here, and not all instances have answered")


def _reached(answers: Answers) -> dict[str, object]:
    missing = silent(answers)
    return {"complete": answers.reached_all and not missing, "silent": missing}


def _shown(ban: Ban) -> dict[str, object]:
    return {
        "kind": ban.kind,
        "value": ban.value,
        "until": round(ban.until, 3),
        "reason": ban.reason,
        "automatic": ban.automatic,
    }


def _address(text: str) -> str:
    try:
        return str(ip_address(addresses.normalise(text)))
    except ValueError:
        raise ApiError(HTTPStatus.BAD_REQUEST, "address: an IPv4 or IPv6 address") from None
