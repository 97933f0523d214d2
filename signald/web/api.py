"""Speaks HTTP for the operator's API: who may ask, what requests hold, how answers look. `admin` has the paths."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final, Protocol, TypeVar

import msgspec
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from signald.clients.questions import Asking
from signald.core.accounts import Account, Role
from signald.core.bans import Ban, BanKind
from signald.web.accounts import Accounts

MAX_BODY_BYTES: Final = 16 * 1024
"""Size of a request's body. A ban is a few hundred bytes."""

MAX_SENT_BYTES: Final = 1024 * 1024
"""How much of a request that is too large is read, so that its sender gets to read the answer."""


class Operator(Protocol):
    """Does what the operator asks; see `signald.moderation.operator.Moderation`."""

    def ban(self, kind: BanKind, value: str, seconds: float, reason: str, by: str) -> Ban:
        """Ban a user or an address."""
        ...

    def find(self, kind: BanKind, value: str) -> Ban | None:
        """The ban on somebody."""
        ...

    def lift(self, kind: BanKind, value: str, by: str) -> bool:
        """End a ban; false if there is none."""
        ...

    def in_force(self) -> list[Ban]:
        """All bans."""
        ...


class BoundedRequest(Request):
    """Bounds a request's body, so that it holds nobody up: only so much is kept, and no form is parsed.

    A page of another site can make a browser post a form to an operator's own machine, and forms of megabytes take
    Twisted seconds to read.
    """

    _received = 0

    def handleContentChunk(self, data: bytes) -> None:
        """Keep what is needed to see that it is too much; cut off whoever goes on."""
        self._received += len(data)
        room = MAX_BODY_BYTES + 1 - self.content.tell()  # type: ignore[union-attr]
        if room > 0:
            super().handleContentChunk(data[:room])
        if self._received > MAX_SENT_BYTES:
            self.loseConnection()

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """Hide the type of the body, or Twisted parses forms."""
        self.requestHeaders.removeHeader(b"content-type")
        super().requestReceived(command, path, version)


class AdminSite(Site):
    """Serves without a log of requests, as paths name addresses and users. `moderation.operator` logs what is done."""

    requestFactory = BoundedRequest

    def log(self, request: object) -> None:
        """Write nothing."""


class ApiError(Exception):
    """Says that the request cannot be answered as it is.

    Attributes:
        status: Of the response.
    """

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class Api:
    """Holds what the resources share.

    Args:
        operator: Bans, and lifts bans.
        ask: Puts a question to all instances.
        accounts: Who may do what.
        users_known: Whether clients have users at all.
    """

    def __init__(self, *, operator: Operator, ask: Asking, accounts: Accounts, users_known: bool) -> None:
        self.operator = operator
        self.ask = ask
        self.users_known = users_known
        self.accounts = accounts

    def authorise(self, request: Request) -> Account:
        """Whose token a request shows.

        Raises:
            ApiError: Nobody's.
        """
        if not self.accounts:
            raise ApiError(HTTPStatus.FORBIDDEN, "set ADMIN_TOKEN to use this")
        scheme, _, shown = (request.getHeader(b"authorization") or b"").partition(b" ")
        found = self.accounts.find(shown.strip()) if scheme.lower() == b"bearer" else None
        if found is None:
            request.setHeader(b"www-authenticate", b'Bearer realm="signald"')
            raise ApiError(HTTPStatus.UNAUTHORIZED, "send the header Authorization: Bearer, with your token")
        return found


Kind = TypeVar("Kind")

Method = Callable[[Request, Account], Awaitable[tuple[HTTPStatus, object] | None]]
"""Answers a request of somebody who was recognised; None if somebody else does it from now on."""


class Endpoint(Resource):
    """Serves one path: checks the token, runs the method, and answers in JSON."""

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
            who = self._api.authorise(request)
            answered = await self._method(request)(request, who)
            if answered is None:
                return
            status, answer = answered
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
            raise ApiError(HTTPStatus.NOT_FOUND, "there is nothing here: look at /clients, /pools, /bans and /reports")
        method = methods.get(request.method)
        if method is None:
            request.setHeader(b"allow", b", ".join(sorted(methods)))
            raise ApiError(HTTPStatus.METHOD_NOT_ALLOWED, f"only {b', '.join(sorted(methods)).decode()} here")
        return method

    def getChild(self, path: bytes, request: Request) -> IResource:
        """See `Resource.getChild`."""
        return Endpoint(self._api)


def operators_only(who: Account, what: str) -> None:
    """Let operators pass.

    Raises:
        ApiError: It is a moderator; `what` is not for those.
    """
    if who.role is not Role.OPERATOR:
        raise ApiError(HTTPStatus.FORBIDDEN, f"{what}: for operators only, and you are a {who.role}")


def text_of(path: bytes) -> str:
    """A part of a path as text."""
    return path.decode("utf-8", "replace")


def query(request: Request, name: bytes) -> str:
    """A parameter of the query; empty if it is not there."""
    values = (request.args or {}).get(name, [b""])
    return text_of(values[-1])


def flag(request: Request, name: bytes) -> bool:
    """Whether a parameter of the query says yes."""
    return query(request, name) in {"1", "true", "yes"}


def number(request: Request, name: bytes, default: int, highest: int) -> int:
    """A whole number in the query, from 1 to `highest`.

    Raises:
        ApiError: It is none.
    """
    text = query(request, name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= highest):
        raise ApiError(HTTPStatus.BAD_REQUEST, f"{text_of(name)}: a whole number from 1 to {highest}")
    return int(text)


def body(request: Request, kind: type[Kind]) -> Kind:
    """Decode the JSON body of a request as this type.

    Raises:
        ApiError: It is too large, no JSON, or something else.
    """
    text = b"" if request.content is None else request.content.read(MAX_BODY_BYTES + 1)
    if len(text) > MAX_BODY_BYTES:
        raise ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MAX_BODY_BYTES} bytes")
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        raise ApiError(HTTPStatus.BAD_REQUEST, str(error)) from None
    except msgspec.DecodeError as error:
        raise ApiError(HTTPStatus.BAD_REQUEST, f"not JSON: {error}") from None
