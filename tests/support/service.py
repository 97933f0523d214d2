"""Several instances on one store, as an operator runs them."""

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from signald.core.messages import SUBPROTOCOL
from tests.support.client import Client, Message
from tests.support.daemon import DaemonProcess
from tests.support.waiting import PATIENCE_S, until

GONE_WITHIN_S = 20.0
"""The promise: how soon a partner is told of an instance that died."""


class Service:
    """Instances ``a``, ``b``, … on one store, each a ``twistd signald`` process.

    Args:
        urls: The `REDIS_URL` of each instance.
        joined: Whether to wait until each reaches the store.
        variables: More environment variables, for all. Without them the rate of messages is as good as not limited, and
            nobody is taken for asleep: a client of a test answers no ping while the test looks elsewhere.
    """

    def __init__(self, *urls: str, joined: bool = True, **variables: str) -> None:
        self._variables = variables
        self._urls = urls
        self.instances = [self._launch(number) for number in range(len(urls))]
        try:
            for instance in self.instances:
                instance.wait_for("listening on")
            if joined:
                self.wait_joined()
        except BaseException as failure:
            self.__exit__(type(failure), failure, None)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for instance in self.instances:
            instance.__exit__(kind, value, trace)

    def __getitem__(self, number: int) -> DaemonProcess:
        return self.instances[number]

    def __iter__(self) -> Iterator[DaemonProcess]:
        return iter(self.instances)

    def restart(self, number: int) -> None:
        """Start an instance that has ended, under the same name."""
        self.instances[number].__exit__(None, None, None)
        self.instances[number] = self._launch(number)
        self.instances[number].wait_for("listening on")

    def client(self, number: int) -> Client:
        """A client of an instance."""
        return Client(self.instances[number].port)

    def modern(self, number: int) -> Client:
        """A client of an instance that speaks the protocol of today."""
        return Client(self.instances[number].port, protocols=[SUBPROTOCOL])

    def resume(self, number: int, before: Client, **more: Any) -> tuple[Client, Message]:
        """Go on with another client's session on an instance; gives the new client and the answer."""
        client = self.modern(number)
        return client, client.resume(before, **more)

    def wait_joined(self, *, joined: bool = True, within_s: float = PATIENCE_S) -> float:
        """Wait until each instance reaches the store (or none does); gives the seconds that it took."""
        return until(
            lambda: all(instance.health()["redis"] is joined for instance in self.instances),
            f"each instance says redis: {joined}",
            within_s,
        )

    def errors(self) -> list[str]:
        """Lines of all logs that somebody would have to look at."""
        return [line for instance in self.instances for line in instance.errors]

    def variables_of(self, number: int) -> Mapping[str, str]:
        """More environment variables, for one instance."""
        return {}

    def _launch(self, number: int) -> DaemonProcess:
        variables = {
            "REDIS_URL": self._urls[number],
            "INSTANCE_ID": "abcdefgh"[number],
            "MAX_MSG_PER_SECOND": "100000",
            "MATCH_ANSWER_SECONDS": "0",
            **self._variables,
            **self.variables_of(number),
        }
        return DaemonProcess(variables=variables, ready=0)


def meet(first: Client, second: Client, within_s: float = PATIENCE_S) -> str:
    """Make two clients partners, wherever they are; gives the room's id."""
    first.send("available")
    second.send("available")
    return met(first, second, within_s)


def met(first: Client, second: Client, within_s: float = PATIENCE_S) -> str:
    """Wait until two clients are partners; gives the room's id."""
    one, other = first.expect("matched", within_s), second.expect("matched", within_s)
    assert (one["partnerId"], other["partnerId"]) == (second.id, first.id), (one, other)
    assert one["roomId"] == other["roomId"]
    assert {one["initiator"], other["initiator"]} == {True, False}
    room: str = one["roomId"]
    return room


def talk(first: Client, second: Client, word: str = "hello", within_s: float = PATIENCE_S) -> None:
    """Partners say something to each other, and nothing else has come before."""
    first.send("ice", candidate={"candidate": word})
    assert second.expect("ice", within_s)["candidate"]["candidate"] == word
    second.send("ice", candidate={"candidate": word})
    assert first.expect("ice", within_s)["candidate"]["candidate"] == word
