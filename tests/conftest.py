"""For all tests: hypothesis prints what it needs to repeat a failure, and does not mind a slow machine."""

from pathlib import Path

from hypothesis import HealthCheck, settings
from pytest import Item, hookimpl, mark

settings.register_profile("signald", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("signald")

FIRST = ("browser", "integration", "ops")
"""Folders whose tests take long: they wait for browsers, daemons and stores."""

BROWSERS = 2
"""Processes that run tests in browsers: each starts browsers of its own, and two keep a small machine busy."""


@hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[Item]) -> None:
    """Begin with what takes long, and keep each file, and the browsers, in one process (``--dist loadgroup``)."""
    files: dict[str, dict[Path, int]] = {}
    for item in items:
        folder = item.path.parent.name
        of_folder = files.setdefault(folder, {})
        place = of_folder.setdefault(item.path, len(of_folder))
        group = f"browser {place % BROWSERS}" if folder == "browser" else f"{folder}/{item.path.name}"
        item.add_marker(mark.xdist_group(group))
    order = {folder: place for place, folder in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(item.path.parent.name, len(FIRST)))
