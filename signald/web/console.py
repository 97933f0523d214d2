"""Serves the operator's console: its page, and what only that asks for. What it does is the API's (`admin`, `bans`).

=========================================  =============================================================================
``GET /console/``                          the page; its files beside it
``GET /console/me``                        whose token is shown: name, role, whether users are known
``GET /console/hour``                      how all instances did over the last hour
``GET /console/stream``                    how they do, each 2 s, as ``text/event-stream``
``GET /console/settings``                  what this instance's settings mean, for operators
=========================================  =============================================================================
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from importlib.resources import files
from typing import Final

import msgspec
from twisted.web.resource import IResource
from twisted.web.server import Request

from signald.clients.questions import LookAtVitals, Vitals, read, silent
from signald.core.accounts import Account
from signald.telemetry.hour import FIELDS, SAMPLED_S
from signald.web import assets
from signald.web.api import Api, ApiError, Endpoint, Method, operators_only
from signald.web.files import FilePage
from signald.web.hosts import Hosts
from signald.web.resources import NOTHING_HERE, Folder
from signald.web.viewers import Viewers

HEADERS: Final[Mapping[bytes, bytes]] = {
    b"content-security-policy": (
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        b"require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    b"x-frame-options": b"DENY",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), microphone=(), geolocation=()",
}
"""Of the page and its files. No text becomes markup or script in it, by the rules of Trusted Types."""


class Console(Folder):
    """``/console`` and what is below it.

    Args:
        api: Who may do what, and how to ask all instances.
        hosts: Under which names this may be opened.
        viewers: Are told how it goes.
        settings: What the settings mean, in lines.
    """

    def __init__(self, api: Api, hosts: Hosts, viewers: Viewers, settings: Sequence[str]) -> None:
        super().__init__()
        self._hosts = hosts
        made = assets.read_console(files("signald.web") / "static")
        for name, asset in made.items():
            self.putChild(b"" if name == "index.html" else name.encode(), FilePage(asset, headers=HEADERS))
        self.putChild(b"me", _Me(api))
        self.putChild(b"hour", _Hour(api))
        self.putChild(b"stream", _Stream(api, viewers))
        self.putChild(b"settings", _Settings(api, settings))

    def getChildWithDefault(self, path: bytes, request: Request) -> IResource:
        """Give what is below, under our names alone."""
        try:
            self._hosts.check(request)
        except ApiError as error:
            return _Refused(error)
        below: IResource = super().getChildWithDefault(path, request)
        return below

    def render(self, request: Request) -> object:
        """Send who left out the last slash to the page, which names its files as they stand beside it."""
        try:
            self._hosts.check(request)
        except ApiError as error:
            return _Refused(error).render(request)
        if request.method not in (b"GET", b"HEAD"):
            return NOTHING_HERE.render(request)
        request.redirect(b"console/")
        return b""


class _Refused(Folder):
    """Says why nothing is answered."""

    def __init__(self, error: ApiError) -> None:
        super().__init__()
        self._error = error

    def render(self, request: Request) -> bytes:
        """See `Resource.render`."""
        request.setResponseCode(self._error.status, self._error.status.phrase.encode())
        request.setHeader(b"content-type", b"application/json")
        request.setHeader(b"cache-control", b"no-store")
        return msgspec.json.encode({"error": str(self._error)}) + b"\n"

    def getChild(self, path: bytes, request: Request) -> IResource:
        """See `Resource.getChild`."""
        return self


class _Me(Endpoint):
    """``/console/me``."""

    def methods(self) -> Mapping[bytes, Method]:
        """See `Endpoint.methods`."""
        return {b"GET": self._show}

    async def _show(self, request: Request, who: Account) -> tuple[HTTPStatus, object]:
        return HTTPStatus.OK, {"name": who.name, "role": who.role, "users": self._api.users_known}


class _Hour(Endpoint):
    """``/console/hour``."""

    def methods(self) -> Mapping[bytes, Method]:
        """See `Endpoint.methods`."""
        return {b"GET": self._show}

    async def _show(self, request: Request, who: Account) -> tuple[HTTPStatus, object]:
        answers = await self._api.ask(LookAtVitals(hour=True))
        missing = silent(answers)
        return HTTPStatus.OK, {
            "fields": FIELDS,
            "everySeconds": SAMPLED_S,
            "instances": sorted(read(answers, Vitals), key=lambda each: each.instance_id),
            "silent": missing,
            "complete": answers.reached_all and not missing,
        }


class _Stream(Endpoint):
    """``/console/stream``."""

    def __init__(self, api: Api, viewers: Viewers) -> None:
        super().__init__(api)
        self._viewers = viewers

    def methods(self) -> Mapping[bytes, Method]:
        """See `Endpoint.methods`."""
        return {b"GET": self._begin}

    async def _begin(self, request: Request, who: Account) -> None:
        if self._viewers.full(who):
            raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "too many look at the console already")
        self._viewers.add(request, who)


class _Settings(Endpoint):
    """``/console/settings``."""

    def __init__(self, api: Api, lines: Sequence[str]) -> None:
        super().__init__(api)
        self._lines = lines

    def methods(self) -> Mapping[bytes, Method]:
        """See `Endpoint.methods`."""
        return {b"GET": self._show}

    async def _show(self, request: Request, who: Account) -> tuple[HTTPStatus, object]:
        operators_only(who, "settings")
        return HTTPStatus.OK, {"settings": self._lines}
