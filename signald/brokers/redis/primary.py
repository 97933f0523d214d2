"""Finds the primary: the one server, the one that Sentinels name, or the node of a cluster that has our slot.

A `StoreConnection` asks before each attempt to connect, and tells what the server refused. So a failover is to
everybody else a connection that was cut, and made again elsewhere.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.ssl import Certificate, optionsForClientTLS, platformTrust, trustRootFromCertificates
from twisted.logger import Logger

from signald.brokers.redis.connection import Call, Primary, ask
from signald.brokers.redis.problems import FAILOVER, PERMISSION, SLOT, Problem, StoreRefused, StoreUnavailable
from signald.brokers.redis.url import Kind, Server, StoreAddress

CONNECT_TIMEOUT_S: Final = 2.0
"""Seconds that making a connection may take."""

CONFIRM_WITHIN_S: Final = 1.0
"""How long a Sentinel, or the server that it names, may take to answer: one that hangs is met at each attempt until it
is given up."""


class Single:
    """One server, whatever it is.

    Args:
        endpoint: Where to connect.
    """

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    async def find(self) -> IStreamClientEndpoint:
        """See `Primary.find`."""
        return self._endpoint

    async def confirm(self, call: Call) -> None:
        """See `Primary.confirm`. A replica says so when it is written to."""

    def refused(self, why: str, problem: Problem) -> Problem | None:
        """See `Primary.refused`."""
        return problem


class Sentinels:
    """The primary that Sentinels name (Redis docs, "Guidelines for Redis clients with Sentinel support").

    Args:
        address: The Sentinels, how to log in to them, and what they call the primary.
        endpoints: Makes endpoints.
        clock: For timeouts.
    """

    _log = Logger()

    def __init__(self, address: StoreAddress, endpoints: "Endpoints", clock: Any) -> None:
        self._name = address.name
        self._login = login(address.sentinel_user, address.sentinel_password)
        self._sentinels = deque(address.servers)
        self._endpoints = endpoints
        self._clock = clock
        self._named: Server | None = None

    async def find(self) -> IStreamClientEndpoint:
        """See `Primary.find`. The first Sentinel that answers is asked first next time."""
        reasons = []
        for _ in range(len(self._sentinels)):
            sentinel = self._sentinels[0]
            try:
                found = await self._ask(sentinel)
            except Exception as error:  # whatever it was: another one may know
                reasons.append(f"{sentinel}: {error or type(error).__name__}")
                self._sentinels.rotate(-1)
            else:
                if found != self._named:
                    self._log.info("{sentinel} names {primary} as the primary", sentinel=sentinel, primary=found)
                    self._named = found
                return self._endpoints.to(found)
        raise StoreUnavailable(f"no Sentinel names a primary: {'; '.join(reasons)}")

    async def _ask(self, sentinel: Server) -> Server:
        commands = [*self._login, ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._name)]
        *_, named = await ask(self._endpoints.to(sentinel), self._clock, CONFIRM_WITHIN_S, commands)
        if not named:
            raise StoreUnavailable(f"knows no primary called {self._name!r}")
        return Server(named[0].decode(), int(named[1]))

    async def confirm(self, call: Call) -> None:
        """See `Primary.confirm`: a Sentinel may be late, or lie."""
        try:
            role = await call("ROLE", timeout_s=CONFIRM_WITHIN_S)
        except StoreRefused as refused:
            if refused.problem is not PERMISSION:
                raise
            return  # a replica says so when it is written to
        if role[0] != b"master":
            raise StoreRefused("what the Sentinel names is no primary", FAILOVER)

    def refused(self, why: str, problem: Problem) -> Problem | None:
        """See `Primary.refused`: after a replica another Sentinel is asked."""
        if problem is FAILOVER:
            self._sentinels.rotate(-1)
        return problem


class ClusterNodes:
    """The node that has the slot of all our keys: they share a hash tag (Redis cluster specification, "Hash tags").

    Args:
        address: Some nodes.
        endpoints: Makes endpoints.
        key: One of our keys.
    """

    def __init__(self, address: StoreAddress, endpoints: "Endpoints", key: str) -> None:
        self._seeds = deque(address.servers)
        self._endpoints = endpoints
        self._key = key
        self._owner: Server | None = None

    async def find(self) -> IStreamClientEndpoint:
        """See `Primary.find`. The owner of the slot is tried once; when it does not answer, the next node is asked."""
        owner, self._owner = self._owner, None
        if owner is None:
            self._seeds.rotate(-1)
        return self._endpoints.to(owner or self._seeds[0])

    async def confirm(self, call: Call) -> None:
        """See `Primary.confirm`: another node answers MOVED."""
        await call("EXISTS", self._key, timeout_s=CONFIRM_WITHIN_S)

    def refused(self, why: str, problem: Problem) -> Problem | None:
        """See `Primary.refused`: MOVED names the owner of the slot; ASK and the like pass."""
        if problem is not SLOT:
            return problem
        kind, *where = why.split()
        if kind != "MOVED" or len(where) < 2:
            return FAILOVER
        host, _, port = where[1].rpartition(":")
        self._owner = Server(host or self._seeds[0].host, int(port))
        return None


class Endpoints:
    """Makes the endpoints of one store's servers: all are reached in the same way.

    Args:
        address: Whether to speak TLS.
        ca_file: PEM file of certificates to trust in place of the system's; empty for the system's.
        reactor: Connects.

    Raises:
        ValueError: The file has no certificate.
        OSError: The file cannot be read.
    """

    def __init__(self, address: StoreAddress, ca_file: str, reactor: Any) -> None:
        self._trust = _trust(ca_file) if address.tls else None
        self._reactor = reactor

    def to(self, server: Server) -> IStreamClientEndpoint:
        """The endpoint of a server."""
        endpoint = HostnameEndpoint(self._reactor, server.host, server.port, timeout=CONNECT_TIMEOUT_S)
        if self._trust is None:
            return endpoint
        return wrapClientTLS(optionsForClientTLS(server.host, trustRoot=self._trust), endpoint)


def _trust(ca_file: str) -> Any:
    if not ca_file:
        return platformTrust()
    with open(ca_file, encoding="ascii") as file:
        end = "-----END CERTIFICATE-----"
        found = [part + end for part in file.read().split(end)[:-1]]
    if not found:
        raise ValueError(f"{ca_file} has no certificate in PEM form")
    return trustRootFromCertificates([Certificate.loadPEM(part.encode()) for part in found])


def login(user: str, password: str) -> Sequence[Sequence[str]]:
    """The commands that log in; none without a password."""
    if not password:
        return ()
    return (("AUTH", user, password) if user else ("AUTH", password),)


def make_primary(address: StoreAddress, ca_file: str, key: str, reactor: Any) -> Primary:
    """Who knows where to connect.

    Args:
        address: Where the store is.
        ca_file: PEM file of certificates to trust in place of the system's; empty for the system's.
        key: One of our keys, by which the node of a cluster is found.
        reactor: Connects.

    Raises:
        ValueError: The file has no certificate.
        OSError: The file cannot be read.
    """
    if address.path:
        return Single(UNIXClientEndpoint(reactor, address.path, timeout=CONNECT_TIMEOUT_S))
    endpoints = Endpoints(address, ca_file, reactor)
    if address.kind is Kind.SENTINEL:
        return Sentinels(address, endpoints, reactor)
    if address.kind is Kind.CLUSTER:
        return ClusterNodes(address, endpoints, key)
    return Single(endpoints.to(address.servers[0]))
