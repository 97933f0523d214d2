"""Makes the resource tree: ``/``, ``/static/…``, ``/healthz``, and what ``/ws`` says to those who do not upgrade."""

from importlib.resources import files
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from signald import __version__
from signald.web import assets
from signald.web.admin import ClientsPage, PoolsPage
from signald.web.api import AdminSite, Api
from signald.web.bans import BansPage
from signald.web.channel import FrontedRequest, OneRequest
from signald.web.console import Console
from signald.web.files import FilePage, StaticFolder
from signald.web.inbox import ReportDesk, ReportsPage
from signald.web.online import OnlinePage
from signald.web.probes import Json, MetricsPage, Probes, ReadyPage
from signald.web.resources import Folder, Page


class _Text(Page):
    """A line that never changes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text.encode()

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        return self._text


class _UpgradeRequired(Folder):
    """``/ws`` without a WebSocket handshake (RFC 9110 15.5.22)."""

    def render(self, request: Request) -> bytes:
        request.setResponseCode(426, b"Upgrade Required")
        request.setHeader(b"upgrade", b"websocket")
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        return b"This is a WebSocket endpoint: connect with ws:// or wss://.\n"


def make_admin_site(probes: Probes, api: Api, desk: ReportDesk, console: Console, reactor: Any) -> Site:
    """Make the site that is for the operator alone.

    Args:
        probes: What is asked.
        api: Looks at clients, and closes them.
        desk: Knows the reports.
        console: The page for it.
        reactor: Times out idle connections.
    """
    root = _probed(probes, metrics=True)
    root.putChild(b"clients", ClientsPage(api))
    root.putChild(b"pools", PoolsPage(api))
    root.putChild(b"bans", BansPage(api))
    root.putChild(b"reports", ReportsPage(api, desk))
    root.putChild(b"console", console)
    return _site(AdminSite, root, OneRequest, reactor)


def _probed(probes: Probes, *, metrics: bool) -> Folder:
    root = Folder()
    root.putChild(b"healthz", Json(probes.health))
    root.putChild(b"readyz", ReadyPage(probes.ready))
    if metrics:
        root.putChild(b"metrics", MetricsPage(probes.metrics))
    return root


def _site(kind: type[Site], root: Resource, protocol: type[OneRequest], reactor: Any) -> Site:
    site = kind(root, reactor=reactor, timeout=30)
    site.protocol = protocol  # type: ignore[assignment]
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
        made = assets.read(files("signald.web") / "static")
        root.putChild(b"", FilePage(made.page))
        root.putChild(b"static", StaticFolder(made))
    else:
        root.putChild(b"", _Text(f"signald {__version__}: a WebRTC signaling server. Its WebSocket is at /ws.\n"))
    return _site(Site, root, FrontedRequest, reactor)
