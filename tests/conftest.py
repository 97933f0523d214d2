"""For all tests: hypothesis prints what it needs to repeat a failure, and does not mind a slow machine."""

from pathlib import Path

from hypothesis import HealthCheck, settings
from pytest import Item

settings.register_profile("signald", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("signald")

WAITING = ("browser", "integration", "ops")
"""Folders whose tests wait for browsers, daemons and stores for most of their time."""


def pytest_collection_modifyitems(items: list[Item]) -> None:
    """Begin with what takes long, a file of each such folder in turn.

    So no process is left with the longest at the end, and not all of them run browsers at once.
    """
    places: dict[str, dict[Path, int]] = {}
    for item in items:
        files = places.setdefault(item.path.parent.name, {})
        files.setdefault(item.path, len(files))

    def turn(item: Item) -> tuple[bool, int, str]:
        folder = item.path.parent.name
        return folder not in WAITING, places[folder][item.path] if folder in WAITING else 0, folder

    items.sort(key=turn)
