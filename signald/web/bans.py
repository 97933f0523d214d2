"""Answers the operator who is banned, bans and lifts bans; a part of the API. Moderators are shown no address.

=========================================  =============================================================================
``GET /bans``                              who is banned; ``?limit=``, the latest first
``POST /bans``                             ban: `NewBan`
``GET /bans/user/<user>``                  whether somebody is banned; also ``/bans/address/<address>``
``DELETE /bans/user/<user>``               lift a ban; also ``/bans/address/<address>``
``GET /bans/id/<id>``                      a ban by the name that a list has given it
``DELETE /bans/id/<id>``                   lift it
=========================================  =============================================================================
"""

from collections.abc import Mapping
from http import HTTPStatus
from ipaddress import ip_address
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType
from twisted.web.resource import IResource
from twisted.web.server import Request

from signald.clients.questions import BanClient, Bannings, read
from signald.core import addresses
from signald.core.accounts import Account, Role
from signald.core.bans import Ban, BanKind
from signald.core.ids import ClientId
from signald.core.messages import MAX_CLIENT_ID_LENGTH, MAX_USER_ID_LENGTH
from signald.web.admin import LISTED, LISTED_AT_MOST, nobody
from signald.web.api import Api, ApiError, Endpoint, Method, body, number, operators_only, text_of

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


class BansPage(Endpoint):
    """``/bans``."""

    def methods(self) -> Mapping[bytes, Method]:
        """See `Endpoint.methods`."""
        return {b"GET": self._list, b"POST": self._ban}

    def getChild(self, path: bytes, request: Request) -> IResource:
        """See `Resource.getChild`."""
        if path == b"id":
            return _BansById(self._api)
        return _BansOf(self._api, BanKind(text_of(path))) if path in _KINDS else Endpoint(self._api)

    async def _list(self, request: Request, who: Account) -> tuple[HTTPStatus, object]:
        limit = number(request, b"limit", LISTED, LISTED_AT_MOST)
        bans = sorted(self._api.operator.in_force(), key=lambda ban: -ban.at)
        return HTTPStatus.OK, {"total": len(bans), "bans": [_shown(ban, self._api, who) for ban in bans[:limit]]}

    async def _ban(self, request: Request, who: Account) -> tuple[HTTPStatus, object]:
        asked = body(request, NewBan)
        named = [name for name in ("user", "address", "client") if getattr(asked, name) is not UNSET]
        if len(named) != 1:
            raise ApiError(HTTPStatus.BAD_REQUEST, "name exactly one of user, address and client")
        if (asked.user or BanKind.USER in asked.kinds) and not self._api.users_known:
            raise ApiError(HTTPStatus.CONFLICT, "AUTH_MODE is off: nobody's user is known here")
        if asked.kinds and not asked.client:
            raise ApiError(HTTPStatus.BAD_REQUEST, "kinds: only with client")
        if asked.client:
            return await self._ban_client(ClientId(asked.client), asked, who)
        kind = BanKind(named[0])
        if kind is BanKind.ADDRESS:
            operators_only(who, "address")
        value = asked.user or _address(asked.address or "")
        ban = self._api.operator.ban(kind, value, asked.seconds, asked.reason, who.name)
        return HTTPStatus.CREATED, {"bans": [_shown(ban, self._api, who)]}

    async def _ban_client(self, client: ClientId, asked: NewBan, who: Account) -> tuple[HTTPStatus, object]:
        answers = await self._api.ask(BanClient(client, asked.kinds, asked.seconds, asked.reason, who.name))
        found = [said for said in read(answers, Bannings) if said.found]
        if not found:
            raise nobody(answers)
        bans = [ban for said in found for ban in said.bans]
        if not bans:
            raise ApiError(HTTPStatus.CONFLICT, f"of this client no {' and no '.join(sorted(asked.kinds))} is known")
        return HTTPStatus.CREATED, {"bans": [_shown(ban, self._api, who) for ban in bans]}


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

    async def _show(self, request: Request, who: Account) -> tuple[HTTPStatus, object]:
        return HTTPStatus.OK, _shown(self._found(who), self._api, who)

    async def _lift(self, request: Request, who: Account) -> tuple[HTTPStatus, object]:
        self._found(who)
        self._api.operator.lift(self._kind, self._value, who.name)
        return HTTPStatus.NO_CONTENT, None

    def _found(self, who: Account) -> Ban:
        if self._kind is BanKind.ADDRESS:
            operators_only(who, "address")
        ban = self._api.operator.find(self._kind, self._value)
        if ban is None:
            raise ApiError(HTTPStatus.NOT_FOUND, f"no ban on this {self._kind.value}")
        return ban


class _BansById(Endpoint):
    """``/bans/id``."""

    def getChild(self, path: bytes, request: Request) -> IResource:
        """See `Resource.getChild`."""
        return _BanById(self._api, text_of(path))


class _BanById(Endpoint):
    """``/bans/id/<id>``."""

    def __init__(self, api: Api, id: str) -> None:
        super().__init__(api)
        self._id = id

    def methods(self) -> Mapping[bytes, Method]:
        """See `Endpoint.methods`."""
        return {b"GET": self._show, b"DELETE": self._lift}

    async def _show(self, request: Request, who: Account) -> tuple[HTTPStatus, object]:
        return HTTPStatus.OK, _shown(self._found(), self._api, who)

    async def _lift(self, request: Request, who: Account) -> tuple[HTTPStatus, object]:
        ban = self._found()
        self._api.operator.lift(ban.kind, ban.value, who.name)
        return HTTPStatus.NO_CONTENT, None

    def _found(self) -> Ban:
        """Looks through all bans: 0.27 s for 100,000, and nobody lifts many."""
        for ban in self._api.operator.in_force():
            if self._api.accounts.ban_id(ban) == self._id:
                return ban
        raise ApiError(HTTPStatus.NOT_FOUND, "no ban of this name")


_KINDS: Final = frozenset(kind.value.encode() for kind in BanKind)


def _shown(ban: Ban, api: Api, who: Account) -> dict[str, object]:
    hidden = ban.kind is BanKind.ADDRESS and who.role is not Role.OPERATOR
    return {
        "id": api.accounts.ban_id(ban),
        "kind": ban.kind,
        **({} if hidden else {"value": ban.value}),
        "until": round(ban.until, 3),
        "reason": ban.reason,
        "automatic": ban.automatic,
    }


def _address(text: str) -> str:
    try:
        return str(ip_address(addresses.normalise(text)))
    except ValueError:
        raise ApiError(HTTPStatus.BAD_REQUEST, "address: an IPv4 or IPv6 address") from None
