"""Asks other people's HTTP servers, and takes no more from them than was agreed: headers count, not only bodies."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, BrowserLikePolicyForHTTPS
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer


class TooMuchError(Exception):
    """A server has sent more than was agreed."""


def bounded_agent(reactor: Any, *, within_s: float, max_bytes: int, trust: Any = None) -> Agent:
    """Make an agent for requests; each has a connection of its own. Certificates are checked.

    Args:
        reactor: The reactor.
        within_s: Seconds for connecting.
        max_bytes: Bytes of one response, all that is sent included; the connection is aborted beyond that.
        trust: The authorities, an `IOpenSSLTrustRoot`; None for the system's.
    """
    agent: Agent = Agent.usingEndpointFactory(reactor, _Endpoints(reactor, within_s, max_bytes, trust))
    return agent


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """Makes the endpoint for a URL."""

    def __init__(self, reactor: Any, within_s: float, max_bytes: int, trust: Any) -> None:
        self._reactor = reactor
        self._within_s = within_s
        self._max_bytes = max_bytes
        self._policy = BrowserLikePolicyForHTTPS(trust)

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """See `IAgentEndpointFactory.endpointForURI`."""
        endpoint: IStreamClientEndpoint = HostnameEndpoint(self._reactor, uri.host, uri.port, timeout=self._within_s)
        if uri.scheme == b"https":
            endpoint = wrapClientTLS(self._policy.creatorForNetloc(uri.host, uri.port), endpoint)
        return _BoundedEndpoint(endpoint, self._max_bytes)


@implementer(IStreamClientEndpoint)
class _BoundedEndpoint:
    """Counts what comes over its connections."""

    def __init__(self, endpoint: IStreamClientEndpoint, max_bytes: int) -> None:
        self._endpoint = endpoint
        self._max_bytes = max_bytes

    def connect(self, protocolFactory: IProtocolFactory) -> "Deferred[Any]":
        """See `IStreamClientEndpoint.connect`."""
        wrapping = _Bound(protocolFactory, self._max_bytes)
        connected: Deferred[Any] = self._endpoint.connect(wrapping)
        return connected.addCallback(lambda wrapper: wrapper.wrappedProtocol)


class _Counted(ProtocolWrapper):
    """Aborts a connection that has brought too much."""

    factory: "_Bound"
    transport: Any
    _received = 0

    def dataReceived(self, data: bytes) -> None:
        self._received += len(data)
        if self._received <= self.factory.max_bytes:
            super().dataReceived(data)
        else:
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._received > self.factory.max_bytes:
            reason = Failure(TooMuchError(f"more than {self.factory.max_bytes} bytes"))
        super().connectionLost(reason)


class _Bound(WrappingFactory):
    """Makes `_Counted` around what a factory makes."""

    protocol = _Counted
    noisy = False

    def __init__(self, wrapped: Any, max_bytes: int) -> None:
        super().__init__(wrapped)
        self.max_bytes = max_bytes
