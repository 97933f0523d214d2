"""Makes the resource tree: ``/``, ``/static/…``, ``/healthz``, and what ``/ws`` says to those who do not upgrade."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

from twisted.web.http import HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from signald import __version__
from signald.web.admin import BansPage, ClientsPage, PoolsPage
from signald.web.api import AdminSite, Api
from signald.web.online import OnlinePage
from signald.web.probes import Json, MetricsPage, Probes, ReadyPage
from signald.web.resources import Folder, Page

_TYPES: Final = {
    "css": b"text/css; charset=utf-8",
    "html": b"text/html; charset=utf-8",
    "ico": b"image/x-icon",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
}

# Of every response, errors too.
_HEADERS: Final[Mapping[bytes, bytes]] = {
    b"content-security-policy": (
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        b"media-src 'self' blob: mediastream:; connect-src 'self' ws: wss:; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    b"permissions-policy": b"camera=(self), microphone=(self), geolocation=()",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"cache-control": b"no-cache",
}


class OneRequest(HTTPChannel):
    """Speaks HTTP without keep-alive; see `signald.network.front` for the reason."""

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        """Close after each response, and say so."""
        request.responseHeaders.setRawHeaders(b"connection", [b"close"])
        for name, value in _HEADERS.items():
            request.responseHeaders.setRawHeaders(name, [value])
        return False


class _Body(Page):
    """A fixed body that was read once."""

    def __init__(self, body: bytes, content_type: bytes) -> None:
        super().__init__()
        self._body = body
        self._type = content_type

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"content-type", self._type)
        return self._body


class _UpgradeRequired(Folder):
    """``/ws`` without a WebSocket handshake (RFC 9110 15.5.22)."""

    def render(self, request: Request) -> bytes:
        request.setResponseCode(426, b"Upgrade Required")
        request.setHeader(b"upgrade", b"websocket")
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        return b"This is a WebSocket endpoint: connect with ws:// or wss://.\n"


def make_admin_site(probes: Probes, api: Api, reactor: Any) -> Site:
    """Make the site that is for the operator alone.

    Args:
        probes: What is asked.
        api: Looks at clients, and closes them.
        reactor: Times out idle connections.
    """
    root = _probed(probes, metrics=True)
    root.putChild(b"clients", ClientsPage(api))
    root.putChild(b"pools", PoolsPage(api))
    root.putChild(b"bans", BansPage(api))
    return _site(root, reactor, AdminSite)


def _probed(probes: Probes, *, metrics: bool) -> Folder:
    root = Folder()
    root.putChild(b"healthz", Json(probes.health))
    root.putChild(b"readyz", ReadyPage(probes.ready))
    if metrics:
        root.putChild(b"metrics", MetricsPage(probes.metrics))
    return root


def _site(root: Resource, reactor: Any, kind: type[Site] = Site) -> Site:
    site = kind(root, reactor=reactor, timeout=30)
    site.protocol = OneRequest  # type: ignore[assignment]
    site.noisy = False
    return site


def make_site(probes: Probes, *, online: OnlinePage | None, demo: bool, metrics: bool, reactor: Any) -> Site:
    """Make the web side of the daemon.

    Args:
        probes: What is asked.
        online: Says how many are here, if anybody may know.
        demo: Whether ``/`` is the demo page; else it is a line of text.
        metrics: Whether ``/metrics`` is here too.
        reactor: Times out idle connections.
    """
    root = _probed(probes, metrics=metrics)
    if online is not None:
        root.putChild(b"online", online)
    root.putChild(b"ws", _UpgradeRequired())
    if demo:
        static = Folder()
        for file in (files("signald.web") / "static").iterdir():
            content_type = _TYPES.get(file.name.rpartition(".")[2])
            if content_type is not None:
                static.putChild(file.name.encode(), _Body(file.read_bytes(), content_type))
        root.putChild(b"static", static)
        root.putChild(b"", static.children[b"index.html"])
    else:
        text = f"signald {__version__}: a WebRTC signaling server. Its WebSocket is at /ws.\n"
        root.putChild(b"", _Body(text.encode(), b"text/plain; charset=utf-8"))
    return _site(root, reactor)
