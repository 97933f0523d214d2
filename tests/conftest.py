"""For all tests: hypothesis prints what it needs to repeat a failure, and long tests begin first."""

import gc
import signal
from collections.abc import Generator
from typing import Any

from hypothesis import HealthCheck, settings
from pytest import Item, hookimpl

settings.register_profile("signald", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("signald")

for number in (signal.SIGHUP, signal.SIGINT):
    # Under nohup(1), or behind a shell's `&`, these are ignored: here, but not by what is started (execve(2)).
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, lambda number, frame: None)

FIRST = ("browser", "integration", "ops")
"""Folders whose tests take long: they wait for browsers, daemons and stores."""


def pytest_collection_modifyitems(items: list[Item]) -> None:
    """Begin with what takes long."""
    order = {folder: place for place, folder in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(item.path.parent.name, len(FIRST)))


@hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Never look for garbage among modules and tests, which live as long as the process."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    """Deal out whole files; those with browsers to two processes, as each starts browsers of its own."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Files(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return f"browser {sum(file.encode()) % 2}" if "/browser/" in file else file

    return Files(config, log)
