"""Stores of more than one server: a primary with a replica and three Sentinels, and a cluster of six nodes."""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import hiredis

from tests.support.ports import free_port
from tests.support.redis import LOGIN, RedisServer, version
from tests.support.waiting import until

PATIENT_MS, NOTICED_AFTER_MS = 600_000, 1000
"""After how long a silent server counts as dead: on a busy machine one that lives is silent for seconds, so they
are patient with each other until a test kills one."""

NAME = "the-primary"
"""What Sentinels call it."""

SENTINEL_PASSWORD = "of-the-sentinels"
"""Of the Sentinels themselves, and among each other."""


class Watched:
    """A primary and a replica, watched by three Sentinels.

    Args:
        stack: Ends all of it.
        folder: Where they keep their data.
    """

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        def server(
            name: str, *options: Sequence[str], arguments: Sequence[str] = (), password: str = ""
        ) -> RedisServer:
            place = folder / name
            place.mkdir()
            return stack.enter_context(RedisServer(place, options=options, arguments=arguments, password=password))

        at_once = ["repl-diskless-sync-delay", "0"]
        self.primary = server("primary", at_once)
        self.replica = server("replica", at_once, ["replicaof", "127.0.0.1", str(self.primary.port)])
        self.wait_whole()
        watch = [
            ["sentinel", "monitor", NAME, "127.0.0.1", str(self.primary.port), "2"],
            ["sentinel", "down-after-milliseconds", NAME, str(PATIENT_MS)],
            ["sentinel", "failover-timeout", NAME, "5000"],
            ["sentinel", "sentinel-pass", SENTINEL_PASSWORD],
        ]
        names = ("one", "two", "three")
        self.sentinels = [server(name, *watch, arguments=["--sentinel"], password=SENTINEL_PASSWORD) for name in names]
        _until(lambda: all(len(sentinel.command("SENTINEL", "SENTINELS", NAME)) == 2 for sentinel in self.sentinels))
        _until(lambda: all(len(sentinel.command("SENTINEL", "REPLICAS", NAME)) == 1 for sentinel in self.sentinels))

    @property
    def url(self) -> str:
        """The `REDIS_URL`."""
        return self.url_of(*self.sentinels)

    def url_of(self, *sentinels: RedisServer) -> str:
        """The same with some of the Sentinels."""
        servers = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in sentinels)
        return f"redis+sentinel://{LOGIN}@{servers}/{NAME}/0?sentinel_password={SENTINEL_PASSWORD}"

    def lose_primary(self) -> None:
        """Kill the primary, and let the Sentinels notice it."""
        self.primary.kill()
        for sentinel in self.sentinels:
            sentinel.command("SENTINEL", "SET", NAME, "down-after-milliseconds", NOTICED_AFTER_MS)

    def fail_over(self) -> None:
        """Let the Sentinels make the replica the primary though that lives, as an operator does."""
        _until(self._begins)
        self.wait_for_failover()

    def _begins(self) -> bool:
        try:
            return bool(self.sentinels[0].command("SENTINEL", "FAILOVER", NAME) == b"OK")
        except hiredis.ReplyError:  # not yet: a replica has not said enough of itself
            return False

    def make_whole(self) -> None:
        """Let the former primary, dead or alive, be the replica of the new one, and the Sentinels be patient again."""
        for sentinel in self.sentinels:
            sentinel.command("SENTINEL", "SET", NAME, "down-after-milliseconds", PATIENT_MS)
        if not self.replica.is_running:
            self.replica.start()
        self.wait_whole()

    def wait_whole(self) -> None:
        """Wait until the replica has all that the primary has."""
        port = self.primary.port
        _until(lambda: _role(self.replica)[0] == b"slave" and _role(self.replica)[2:4] == [port, b"connected"])

    def wait_for_failover(self) -> float:
        """Wait until the replica is the primary for all Sentinels; gives the seconds that it took."""
        began = time.monotonic()
        address = [b"127.0.0.1", str(self.replica.port).encode()]
        ask = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
        _until(lambda: all(sentinel.command(*ask) == address for sentinel in self.sentinels))
        self.primary, self.replica = self.replica, self.primary
        return time.monotonic() - began


class Cluster:
    """Three primaries, each with a replica.

    Args:
        stack: Ends all of it.
        folder: Where they keep their data.
    """

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        self.nodes: list[RedisServer] = []
        for number in range(6):
            place = folder / f"node-{number}"
            place.mkdir()
            options = [
                ["cluster-enabled", "yes"],
                ["cluster-config-file", str(place / "nodes.conf")],
                ["cluster-node-timeout", str(PATIENT_MS)],
            ]
            if version() >= (7,):  # before, it is 10,000 above the port
                options.append(["cluster-port", str(free_port())])
            self.nodes.append(stack.enter_context(RedisServer(place, options=options)))
        servers = [f"127.0.0.1:{node.port}" for node in self.nodes]
        create = ["redis-cli", "--cluster", "create", *servers, "--cluster-replicas", "1", "--cluster-yes"]
        subprocess.run(create, check=True, capture_output=True)
        _until(lambda: all(b"cluster_state:ok" in node.command("CLUSTER", "INFO") for node in self.nodes))
        _until(lambda: sum(_role(node)[0] == b"slave" and _role(node)[3] == b"connected" for node in self.nodes) == 3)

    @property
    def url(self) -> str:
        """The `REDIS_URL`: two of the nodes."""
        return f"redis+cluster://{LOGIN}@127.0.0.1:{self.nodes[0].port},127.0.0.1:{self.nodes[1].port}"

    def owner(self, key: str) -> RedisServer:
        """The node that has the slot of a key."""
        slot = self.nodes[0].command("CLUSTER", "KEYSLOT", key)
        asked = next(node for node in self.nodes if node.is_running)
        for first, last, (_, port, *_), *_ in asked.command("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == port)
        raise AssertionError("nobody has this slot")

    def lose(self, node: RedisServer) -> None:
        """Kill a node, and let the others notice it."""
        node.kill()
        for other in self.nodes:
            if other is not node:
                other.command("CONFIG", "SET", "cluster-node-timeout", NOTICED_AFTER_MS)

    def move(self, key: str) -> None:
        """Move the slot of a key to another primary, with all that is in it (Redis docs, "CLUSTER SETSLOT")."""
        slot, source = self.nodes[0].command("CLUSTER", "KEYSLOT", key), self.owner(key)
        target = next(node for node in self.nodes if _role(node)[0] == b"master" and node is not source)
        ids = {node: node.command("CLUSTER", "MYID").decode() for node in (source, target)}
        target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
        source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
        while names := source.command("CLUSTER", "GETKEYSINSLOT", slot, 100):
            source.command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "REPLACE", "KEYS", *names)
        for node in (target, source):
            node.command("CLUSTER", "SETSLOT", slot, "NODE", ids[target])


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """A store behind Sentinels."""
    with contextlib.ExitStack() as stack:
        yield Watched(stack, folder)


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster."""
    with contextlib.ExitStack() as stack:
        yield Cluster(stack, folder)


def _role(server: RedisServer) -> list[Any]:
    role: list[Any] = server.command("ROLE")
    return role


def _until(holds: Callable[[], bool]) -> None:
    until(holds, "the servers find each other")
