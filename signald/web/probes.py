"""Answers what supervisors and Prometheus ask: ``/healthz``, ``/readyz``, ``/metrics``."""

import json
from collections.abc import Callable, Mapping
from typing import NamedTuple

from twisted.web.server import Request

from signald.web.resources import Page


class Json(Page):
    """A JSON object, made anew for each request."""

    def __init__(self, make: Callable[[], Mapping[str, object]]) -> None:
        super().__init__()
        self._make = make

    def render_GET(self, request: Request) -> bytes:
        """See `Page.render_GET`."""
        request.setHeader(b"content-type", b"application/json")
        request.setHeader(b"cache-control", b"no-store")
        return json.dumps(self._make()).encode() + b"\n"


class ReadyPage(Page):
    """Answers balancers: 200 as long as new clients are welcome, then 503. The store does not count here."""

    def __init__(self, ready: Callable[[], bool]) -> None:
        super().__init__()
        self._ready = ready

    def render_GET(self, request: Request) -> bytes:
        """See `Page.render_GET`."""
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        request.setHeader(b"cache-control", b"no-store")
        if self._ready():
            return b"ready\n"
        request.setResponseCode(503)
        return b"stopping\n"


class MetricsPage(Page):
    """Answers Prometheus."""

    def __init__(self, text: Callable[[], bytes]) -> None:
        super().__init__()
        self._text = text

    def render_GET(self, request: Request) -> bytes:
        """See `Page.render_GET`."""
        request.setHeader(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
        request.setHeader(b"cache-control", b"no-store")
        return self._text()


class Probes(NamedTuple):
    """What supervisors ask.

    Attributes:
        health: What ``/healthz`` says.
        ready: Whether ``/readyz`` says yes.
        metrics: What ``/metrics`` says.
    """

    health: Callable[[], Mapping[str, object]]
    ready: Callable[[], bool]
    metrics: Callable[[], bytes]
