"""What signald uses of txredisapi."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol

class RedisError(Exception): ...

class RedisProtocol(Protocol):
    def __init__(self, charset: str | None = ..., convertNumbers: bool = ...) -> None: ...
    def execute_command(self, *args: Any) -> Deferred[Any]: ...
