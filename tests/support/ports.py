"""TCP ports for what must know its port before it listens."""

import random
import socket

_PORTS = range(20_000, 30_000)
"""Below those that Linux gives to connections and to port 0 (`net.ipv4.ip_local_port_range`: from 32768 on), which any
client may take at any moment, above all while the server that a test needs them for is down."""

_reserved: list[socket.socket] = []


def free_port() -> int:
    """A TCP port that nobody listens on, and that no other test gets while this process lives."""
    for port in random.sample(_PORTS, len(_PORTS)):
        # A name in the abstract namespace (unix(7)) belongs to one process, and goes with it.
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0signald test port {port}")
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
        else:
            _reserved.append(claim)
            return port
    raise AssertionError("no port is free")
