"""Answers the operator: who is connected, who has to go. JSON, on the admin endpoints, for whoever has a token.

=========================================  =============================================================================
``GET /clients``                           all clients of all instances; ``?limit=``, ``?search=``, ``?addresses=true``
``GET /clients/<id>``                      one of them; ``?addresses=true``
``DELETE /clients/<id>``                   close it; ``?reason=``
``GET /pools``                             where clients wait, the fullest pools first; ``?limit=``
=========================================  =============================================================================

Errors are ``{"error": "what is wrong"}`` with a status that fits (RFC 9110 15.5). Answers that other instances are part
of tell which did not answer (``silent``) and whether all were asked (``complete``: not while the store is away).
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from twisted.web.resource import IResource
from twisted.web.server import Request

from signald.brokers.interface import Answers
from signald.clients.pools import together
from signald.clients.questions import ClientList, Kick, Look, LookAtPools, PoolList, read, silent
from signald.core.accounts import Account
from signald.core.ids import ClientId
from signald.core.messages import MAX_USER_ID_LENGTH
from signald.web.api import Api, ApiError, Endpoint, Method, flag, number, operators_only, query, text_of

LISTED: Final = 100
"""Clients or pools in one answer if the request does not say."""

LISTED_AT_MOST: Final = 1_000
"""Clients or pools of each instance in one answer: a list of more would hold up everything else for a moment."""


class ClientsPage(Endpoint):
    """``/clients``."""

    def methods(self) -> Mapping[bytes, Method]:
        """See `Endpoint.methods`."""
        return {b"GET": self._list}

    def getChild(self, path: bytes, request: Request) -> IResource:
        """See `Resource.getChild`."""
        return _Client(self._api, ClientId(text_of(path)))

    async def _list(self, request: Request, who: Account) -> tuple[HTTPStatus, object]:
        limit, search = number(request, b"limit", LISTED, LISTED_AT_MOST), query(request, b"search")
        if len(search) > MAX_USER_ID_LENGTH:
            raise ApiError(HTTPStatus.BAD_REQUEST, f"search: at most {MAX_USER_ID_LENGTH} characters")
        answers = await self._api.ask(Look(limit, addresses=_addresses(request, who), search=search))
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

    async def _look(self, request: Request, who: Account) -> tuple[HTTPStatus, object]:
        question = Look(1, addresses=_addresses(request, who), client=self._client)
        answers = await self._api.ask(question)
        found = [client for of_one in read(answers, ClientList) for client in of_one.clients]
        if not found:
            raise nobody(answers)
        return HTTPStatus.OK, found[0]

    async def _kick(self, request: Request, who: Account) -> tuple[HTTPStatus, object]:
        reason = query(request, b"reason") or "kicked by the operator"
        if len(reason) > 100:
            raise ApiError(HTTPStatus.BAD_REQUEST, "reason: at most 100 characters")
        answers = await self._api.ask(Kick(self._client, reason, by=who.name))
        if not any(read(answers, bool)):
            raise nobody(answers)
        return HTTPStatus.NO_CONTENT, None


class PoolsPage(Endpoint):
    """``/pools``."""

    def methods(self) -> Mapping[bytes, Method]:
        """See `Endpoint.methods`."""
        return {b"GET": self._list}

    async def _list(self, request: Request, who: Account) -> tuple[HTTPStatus, object]:
        limit = number(request, b"limit", LISTED, LISTED_AT_MOST)
        answers = await self._api.ask(LookAtPools(limit))
        lists = list(read(answers, PoolList))
        pools = together(lists)
        # Of pools that an instance does not list it is not known whether another one has them too.
        total = max(len(pools), *(of_one.total for of_one in lists), 0)
        return HTTPStatus.OK, {"total": total, "pools": pools[:limit], **_reached(answers)}


def nobody(answers: Answers) -> ApiError:
    """What to say if no instance that has answered knows a client."""
    if answers.reached_all and not silent(answers):
        return ApiError(HTTPStatus.NOT_FOUND, "no such client")
    return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "no such client here, and not all instances have answered")


def _addresses(request: Request, who: Account) -> bool:
    wanted = flag(request, b"addresses")
    if wanted:
        operators_only(who, "addresses")
    return wanted


def _reached(answers: Answers) -> dict[str, object]:
    missing = silent(answers)
    return {"complete": answers.reached_all and not missing, "silent": missing}
