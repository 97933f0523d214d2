"""Asks a store once whether it will do: for ``twistd signald --check``."""

import random
import re
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import Deferred

from signald.brokers.redis.connection import StoreConnection
from signald.brokers.redis.primary import make_primary
from signald.brokers.redis.problems import NO_BLOCKING_READS, Remedy, StoreRefused
from signald.brokers.redis.url import StoreAddress

_TRY: Final = """
redis.call('XADD', KEYS[1], '*', 'd', '')
redis.call('XTRIM', KEYS[1], 'MINID', '0')
redis.call('DEL', KEYS[1])
redis.call('ZADD', KEYS[1], 1, 'a')
redis.call('ZRANGE', KEYS[1], 0, -1)
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], 'a', 'PX', 1000)
return redis.call('TIME')
"""
"""What the scripts do, on a key that is gone in a second."""


async def _ask(connection: StoreConnection, key: str) -> list[str]:
    await connection.call("EVAL", _TRY, 1, key)
    remarks = []
    try:
        await connection.call("DEL", key)
        await connection.call("XREAD", "COUNT", 1, "BLOCK", 1, "STREAMS", key, "0-0")
    except StoreRefused as refused:
        if refused.problem is not NO_BLOCKING_READS:
            raise
        remarks.append(f"the store has no blocking reads: {refused.problem.advice}")
    try:
        text = await connection.call("INFO", "memory")
    except StoreRefused:
        return [*remarks, "its maxmemory-policy may not be asked for: it has to be noeviction"]
    found = re.search(rb"maxmemory_policy:(\S+)", text)
    if found and found[1] != b"noeviction":
        remarks.append(f"its maxmemory-policy is {found[1].decode()}: set it to noeviction, or it throws leases away")
    return remarks


def probe(address: StoreAddress, ca_file: str, key: str, reactor: Any) -> "Deferred[list[str]]":
    """Ask a store for all that signald needs of it.

    Args:
        address: Where it is.
        ca_file: PEM file of certificates to trust in place of the system's; empty for the system's.
        key: Of ours, to try things on; see `Keys.check`.
        reactor: Connects.

    Returns:
        Fires with remarks for people, when it has answered; fails with StoreRefused if it never will do as it is. Waits
        for one that cannot be reached, for ever, while the log says why.
    """
    answered: Deferred[list[str]] = Deferred(lambda _: connection.stop())

    async def prepared() -> None:
        try:
            remarks = await _ask(connection, key)
        except StoreRefused as refused:
            if refused.problem.remedy is Remedy.OPERATOR:
                _end(answered.errback, refused)
            raise
        _end(answered.callback, remarks)

    def _end(fire: Callable[[Any], None], result: object) -> None:
        def later() -> None:
            if not answered.called:
                connection.stop()
                fire(result)

        reactor.callLater(0, later)  # from outside of the connection's own step, which is to be over first

    primary = make_primary(address, ca_file, key, reactor)
    connection = StoreConnection("test", primary, address, reactor, random.random, prepared, lambda _: None)
    connection.start()
    return answered
