"""The operator's endpoint of a daemon in memory, as several people use it."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.support.memory import MemoryClient, MemoryDaemon

MODERATOR = "the-token-of-a-moderator"
OPERATOR = "the-token-of-an-operator"

MODERATED: Mapping[str, str] = {
    "ADMIN_LISTEN": "tcp:9101:interface=127.0.0.1",
    "ADMIN_TOKENS": f"ada:moderator:{MODERATOR},bob:operator:{OPERATOR}",
}
"""Settings with two people: ada, who moderates, and bob, who may all."""


class Said(NamedTuple):
    """An answer; `body` is None if there is none, and bytes if it is no JSON."""

    status: int
    body: Any
    headers: Mapping[str, str]


def request(
    daemon: MemoryDaemon,
    method: str,
    path: str,
    token: str | None = OPERATOR,
    body: Any = None,
    *,
    host: str = "localhost:9101",
    **headers: str,
) -> MemoryClient:
    """Send a request to the operator's endpoint; headers with underscores for dashes."""
    text = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(text)}"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    client = daemon.connect(listener=1)
    client.write("\r\n".join([*lines, "", ""]).encode() + text)
    return client


def ask(daemon: MemoryDaemon, method: str, path: str, *more: Any, **others: Any) -> Said:
    """As `request`, and what is answered."""
    response = request(daemon, method, path, *more, **others).response
    text = chunks(response.rest) if response.headers.get("transfer-encoding") == "chunked" else response.rest
    json_ = response.headers.get("content-type") == "application/json"
    return Said(response.status, (json.loads(text) if json_ else text) or None, response.headers)


def chunks(body: bytes) -> bytes:
    """What stands in a chunked body, as far as it is here (RFC 9112 7.1)."""
    text = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        text += rest[: int(size, 16)]
        body = rest[int(size, 16) + 2 :]
    return text
