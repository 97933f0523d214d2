"""One request of a browser, and whether another may follow over its connection."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web.server import Site

from signald.web.channel import FrontedRequest
from signald.web.online import OnlinePage
from signald.web.resources import Folder

GET = b"GET /online HTTP/1.1\r\nHost: localhost\r\n\r\n"


def asked() -> tuple[FrontedRequest, StringTransport, "Deferred[dict[str, Any]]", list[str]]:
    """A request whose answer takes time: its channel, the other end, the answer, what the front has heard."""
    counted: Deferred[dict[str, Any]] = Deferred()
    root = Folder()
    root.putChild(b"online", OnlinePage(lambda pool: counted, frozenset()))
    site = Site(root, reactor=Clock())
    site.protocol = FrontedRequest  # type: ignore[assignment]
    channel, transport, heard = site.buildProtocol(None), StringTransport(), list[str]()
    channel.on_answered = lambda: heard.append("answered")
    channel.on_lost = lambda: heard.append("lost")
    channel.makeConnection(transport)
    channel.dataReceived(GET)
    return channel, transport, counted, heard


def test_the_answer_gives_the_connection_back() -> None:
    """Each request of a page would cost a connection of its own."""
    _, transport, counted, heard = asked()
    assert heard == []
    counted.callback({"online": 1})
    assert heard == ["answered"]
    assert not transport.disconnecting
    assert transport.producer is None


def test_what_comes_before_the_answer_is_dropped() -> None:
    """A second request that a proxy has not seen would get an answer, and somebody else would read it."""
    channel, transport, counted, heard = asked()
    channel.dataReceived(GET)
    counted.callback({"online": 1})
    assert transport.value().count(b"HTTP/1.1") == 1
    assert transport.disconnecting
    assert heard == []


def test_who_goes_before_the_answer() -> None:
    """The front would count a connection that is gone, until nobody gets in."""
    channel, transport, counted, heard = asked()
    channel.connectionLost()
    counted.callback({"online": 1})
    assert heard == ["lost"]
    assert transport.value() == b""
