"""The operator's API: who is connected, and who has to go. JSON, on the admin endpoints, for who has ADMIN_TOKEN.

=========================================  =============================================================================
``GET /clients``                           all clients of all instances; ``?limit=``, ``?addresses=true``
``GET /clients/<id>``                      one of them; ``?addresses=true``
``DELETE /clients/<id>``                   close it; ``?reason=``
``GET /bans``                              who is banned; ``?limit=``, the latest first
``POST /bans``                             ban: `NewBan`
``GET /bans/user/<user>``                  whether somebody is banned; also ``/bans/address/<address>``
``DELETE /bans/user/<user>``               lift a ban; also ``/bans/address/<address>``
=========================================  =============================================================================

Errors are ``{"error": "what is wrong"}`` with a status that fits (RFC 9110 15.5). Answers that other instances are part
of tell which did not answer (``silent``) and whether all were asked (``complete``: not while the store is away).
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from ipaddress import ip_address
from typing import Annotated, Final, Protocol

import msgspec
from msgspec import UNSET, Meta, UnsetType
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from signald import addresses
from signald.brokers.interface import Answers
from signald.core.ids import ClientId
from signald.core.messages import MAX_CLIENT_ID_LENGTH, MAX_USER_ID_LENGTH
from signald.core.moderation import Ban, BanKind
from signald.questions import BanClient, Bannings, ClientList, Kick, Look, Question, read, silent

MAX_BODY_BYTES: Final = 16 * 1024
"""Of a request. A ban is a few hundred bytes."""

MAX_SENT_BYTES: Final = 1024 * 1024
"""Of a request that is too large; up to this it is read, so that its sender gets to read the answer."""

LISTED: Final = 100
"""Clients or bans in one answer if the request does not say."""

LISTED_AT_MOST: Final = 1_000
"""Of each instance: a list of more would hold up everything else for a moment."""

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


class Operator(Protocol):
    """What can be done; see `signald.moderation.Moderation`."""

    async def ask(self, question: Question) -> Answers:
        """Put a question to all instances."""
        ...

    def ban(self, kind: BanKind, value: str, seconds: float, reason: str) -> Ban:
        """Ban a user or an address."""
        ...

    def find(self, kind: BanKind, value: str) -> Ban | None:
        """The ban on somebody."""
        ...

    def lift(self, kind: BanKind, value: str) -> bool:
        """End a ban; false if there is none."""
        ...

    def in_force(self) -> list[Ban]:
        """All bans."""
        ...


class BoundedRequest(Request):
    """A request whose body cannot hold anybody up: it is neither kept beyond a bound, nor looked at as a form.

    A page of another site can make a browser post a form to an operator's own machine, and forms of megabytes take
    Twisted seconds to read.
    """

    _received = 0

    def handleContentChunk(self, data: bytes) -> None:
        """Keep what is needed to see that it is too much; cut who goes on."""
        self._received += len(data)
        room = MAX_BODY_BYTES + 1 - self.content.tell()  # type: ignore[union-attr]
        if room > 0:
            super().handleContentChunk(data[:room])
        if self._received > MAX_SENT_BYTES:
            self.loseConnection()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """A request is whole."""
        self.requestHeaders.removeHeader(b"content-type")
        super().requestReceived(command, path, version)


class AdminSite(Site):
    """Without a log of requests: their paths name addresses and users. `signald.moderation` logs what is done."""

    requestFactory = BoundedRequest

    def log(self, request: object) -> None:
        """Write nothing."""


class ApiError(Exception):
    """The request cannot be answered as it is.

    Attributes:
        status: Of the response.
    """

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class Api:
    """What the resources share.

    Args:
        operator: Does it.
        token: Who has it may; empty: nobody.
        users_known: Whether clients have users at all.
    """

    def __init__(self, operator: Operator, token: str, *, users_known: bool) -> None:
        self.operator = operator
        self.users_known = users_known
        self._token = token.encode()

    def authorise(self, request: Request) -> None:
        """Let pass who has the token.

        Raises:
            ApiError: It has not.
        """
        if not self._token:
            raise ApiError(HTTPStatus.FORBIDDEN, "set ADMIN_TOKEN to use this")
        scheme, _, shown = (request.getHeader(b"authorization") or b"").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(shown.strip(), self._token):
            request.setHeader(b"www-authenticate", b'Bearer realm="signald"')
            raise ApiError(HTTPStatus.UNAUTHORIZED, "send the header Authorization: Bearer, with ADMIN_TOKEN")


Method = Callable[[Request], Awaitable[tuple[HTTPStatus, object]]]


class _Endpoint(Resource):
    """One path: checks the token, runs the method, and answers in JSON."""

    _log = Logger()

    def __init__(self, api: Api) -> None:
        super().__init__()
        self._api = api

    def methods(self) -> Mapping[bytes, Method]:
        """What can be done here."""
        return {}

    def render(self, request: Request) -> int:
        """See `Resource.render`."""
        gone = request.notifyFinish()
        answered = Deferred.fromCoroutine(self._answer(request))
        gone.addErrback(lambda reason: answered.cancel())
        answered.addErrback(lambda failure: None)  # the client has gone
        return NOT_DONE_YET

    async def _answer(self, request: Request) -> None:
        try:
            self._api.authorise(request)
            status, answer = await self._method(request)(request)
        except CancelledError:
            raise  # nobody waits for the answer any more
        except ApiError as error:
            status, answer = error.status, {"error": str(error)}
        except Exception:
            self._log.failure("{method} of the operator's API", method=request.method.decode("latin-1"))
            status, answer = HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "this is a bug: the log has more"}
        request.setResponseCode(status, status.phrase.encode())
        request.setHeader(b"cache-control", b"no-store")
        if answer is not None:
            request.setHeader(b"content-type", b"application/json")
            request.write(msgspec.json.encode(answer) + b"\n")
        request.finish()

    def _method(self, request: Request) -> Method:
        methods = self.methods()
        if not methods:
            raise ApiError(HTTPStatus.NOT_FOUND, "there is nothing here: look at /clients and /bans")
        method = methods.get(request.method)
        if method is None:
            request.setHeader(b"allow", b", ".join(sorted(methods)))
            raise ApiError(HTTPStatus.METHOD_NOT_ALLOWED, f"only {b', '.join(sorted(methods)).decode()} here")
        return method

    def getChild(self, path: bytes, request: Request) -> IResource:
        """See `Resource.getChild`."""
        return _Endpoint(self._api)


class ClientsPage(_Endpoint):
    """``/clients``."""

    def methods(self) -> Mapping[bytes, Method]:
        """See `_Endpoint.methods`."""
        return {b"GET": self._list}

    def getChild(self, path: bytes, request: Request) -> IResource:
        """See `Resource.getChild`."""
        return _Client(self._api, ClientId(_text(path)))

    async def _list(self, request: Request) -> tuple[HTTPStatus, object]:
        limit = _number(request, b"limit", LISTED, LISTED_AT_MOST)
        answers = await self._api.operator.ask(Look(limit, addresses=_flag(request, b"addresses")))
        lists = list(read(answers, ClientList))
        clients = [client for of_one in lists for client in of_one.clients]
        total = sum(of_one.total for of_one in lists)
        return HTTPStatus.OK, {"total": total, "clients": clients[:limit], **_reached(answers)}


class _Client(_Endpoint):
    """``/clients/<id>``."""

    def __init__(self, api: Api, client: ClientId) -> None:
        super().__init__(api)
        self._client = client

    def methods(self) -> Mapping[bytes, Method]:
        """See `_Endpoint.methods`."""
        return {b"GET": self._look, b"DELETE": self._kick}

    async def _look(self, request: Request) -> tuple[HTTPStatus, object]:
        question = Look(1, addresses=_flag(request, b"addresses"), client=self._client)
        answers = await self._api.operator.ask(question)
        found = [client for of_one in read(answers, ClientList) for client in of_one.clients]
        if not found:
            raise _nobody(answers)
        return HTTPStatus.OK, found[0]

    async def _kick(self, request: Request) -> tuple[HTTPStatus, object]:
        reason = _query(request, b"reason") or "kicked by the operator"
        if len(reason) > 100:
            raise ApiError(HTTPStatus.BAD_REQUEST, "reason: at most 100 characters")
        answers = await self._api.operator.ask(Kick(self._client, reason))
        if not any(read(answers, bool)):
            raise _nobody(answers)
        return HTTPStatus.NO_CONTENT, None


class BansPage(_Endpoint):
    """``/bans``."""

    def methods(self) -> Mapping[bytes, Method]:
        """See `_Endpoint.methods`."""
        return {b"GET": self._list, b"POST": self._ban}

    def getChild(self, path: bytes, request: Request) -> IResource:
        """See `Resource.getChild`."""
        return _BansOf(self._api, BanKind(_text(path))) if path in _KINDS else _Endpoint(self._api)

    async def _list(self, request: Request) -> tuple[HTTPStatus, object]:
        limit = _number(request, b"limit", LISTED, LISTED_AT_MOST)
        bans = sorted(self._api.operator.in_force(), key=lambda ban: -ban.at)
        return HTTPStatus.OK, {"total": len(bans), "bans": [_shown(ban) for ban in bans[:limit]]}

    async def _ban(self, request: Request) -> tuple[HTTPStatus, object]:
        asked = _body(request, NewBan)
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
        answers = await self._api.operator.ask(BanClient(client, asked.kinds, asked.seconds, asked.reason))
        found = [said for said in read(answers, Bannings) if said.found]
        if not found:
            raise _nobody(answers)
        bans = [ban for said in found for ban in said.bans]
        if not bans:
            raise ApiError(HTTPStatus.CONFLICT, f"of this client no {' and no '.join(sorted(asked.kinds))} is known")
        return HTTPStatus.CREATED, {"bans": [_shown(ban) for ban in bans]}


class _BansOf(_Endpoint):
    """``/bans/user`` and ``/bans/address``."""

    def __init__(self, api: Api, kind: BanKind) -> None:
        super().__init__(api)
        self._kind = kind

    def getChild(self, path: bytes, request: Request) -> IResource:
        """See `Resource.getChild`."""
        value = _text(path)
        return _Ban(self._api, self._kind, value if self._kind is BanKind.USER else addresses.normalise(value))


class _Ban(_Endpoint):
    """``/bans/user/<user>`` and ``/bans/address/<address>``."""

    def __init__(self, api: Api, kind: BanKind, value: str) -> None:
        super().__init__(api)
        self._kind = kind
        self._value = value

    def methods(self) -> Mapping[bytes, Method]:
        """See `_Endpoint.methods`."""
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


def _text(path: bytes) -> str:
    return path.decode("utf-8", "replace")


def _query(request: Request, name: bytes) -> str:
    values = (request.args or {}).get(name, [b""])
    return _text(values[-1])


def _flag(request: Request, name: bytes) -> bool:
    return _query(request, name) in {"1", "true", "yes"}


def _number(request: Request, name: bytes, default: int, highest: int) -> int:
    text = _query(request, name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= highest):
        raise ApiError(HTTPStatus.BAD_REQUEST, f"{_text(name)}: a whole number from 1 to {highest}")
    return int(text)


def _body(request: Request, kind: type[NewBan]) -> NewBan:
    text = b"" if request.content is None else request.content.read(MAX_BODY_BYTES + 1)
    if len(text) > MAX_BODY_BYTES:
        raise ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MAX_BODY_BYTES} bytes")
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        raise ApiError(HTTPStatus.BAD_REQUEST, str(error)) from None
    except msgspec.DecodeError as error:
        raise ApiError(HTTPStatus.BAD_REQUEST, f"not JSON: {error}") from None


def _address(text: str) -> str:
    try:
        return str(ip_address(addresses.normalise(text)))
    except ValueError:
        raise ApiError(HTTPStatus.BAD_REQUEST, "address: an IPv4 or IPv6 address") from None
