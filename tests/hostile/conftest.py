"""One daemon for each file of attacks, both ways of reading frames, and a table of what each attack cost."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.support.daemon import DaemonProcess
from tests.support.witness import Witness

_ROWS = pytest.StashKey[list[tuple[str, Witness]]]()

Attacked = Callable[..., AbstractContextManager[Witness]]


@pytest.fixture(scope="module")
def fast_path() -> bool:
    """Which way of reading frames is attacked; a file that attacks frames has parameters for both."""
    return True


@pytest.fixture(scope="module")
def daemon(fast_path: bool) -> Iterator[DaemonProcess]:
    """A daemon with everything at its defaults but for shorter time limits."""
    variables = {"FAST_PATH": str(fast_path), "HANDSHAKE_TIMEOUT_SECONDS": "3"}
    with DaemonProcess(variables=variables) as process:
        yield process
        assert process.errors == []


@pytest.fixture
def attacked(request: pytest.FixtureRequest, daemon: DaemonProcess) -> Attacked:
    """A `Witness` of the daemon, noted for the table."""

    @contextmanager
    def witness(**bounds: float) -> Iterator[Witness]:
        seen = Witness(daemon, **bounds)
        with seen:
            yield seen
        request.config.stash.setdefault(_ROWS, []).append((request.node.name, seen))

    return witness


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the table."""
    rows = config.stash.get(_ROWS, [])
    if rows:
        terminalreporter.section("two bystanders under attack: messages, the slowest, memory of the daemon")
        for test, seen in rows:
            terminalreporter.write_line(
                f"{seen.relayed:5} {seen.worst_s * 1000:8.1f} ms {seen.grown_mib:+7.1f} MiB  {test}"
            )
