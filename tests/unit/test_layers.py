"""The house: who may import whom. The table of floors stands in CONTRIBUTING.md, and there alone."""

import ast
import re
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "signald"

MAX_LINES = 400
"""A longer file has more than one duty."""

LONGER = {"signald.core.messages"}
"""It is one table, of all messages."""


def floors() -> dict[str, int]:
    """Room (a package, or a module beside them) to floor, counted from the lowest; the highest may import its own."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| (`[^|]*) \|[^|]*\| (nothing of ours|the above|all) \|$", text, re.MULTILINE)
    assert [may for _, may in rows] == ["nothing of ours", *["the above"] * (len(rows) - 2), "all"]
    return {room: floor for floor, (rooms, _) in enumerate(rows) for room in re.findall(r"`(\w+)`", rooms)}


def modules() -> dict[str, Path]:
    """Every module by its name."""
    paths = (ROOT / PACKAGE).rglob("*.py")
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def imports() -> dict[str, set[str]]:
    """Which of our modules each of them imports, anywhere in it."""
    names = modules()
    found: dict[str, set[str]] = {}
    for module, path in names.items():
        said: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                said.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{module}: write the whole name"
                for alias in node.names:
                    name = f"{node.module}.{alias.name}"
                    said.add(name if name in names else str(node.module))
        found[module] = {name for name in said if name.split(".")[0] == PACKAGE} - {PACKAGE}
        assert found[module] <= names.keys(), f"{module} imports what is not there"
    return found


def room(module: str) -> str:
    return module.split(".")[1]


def test_every_room_has_a_floor() -> None:
    """A new package stands anywhere, and its imports are held against nothing."""
    rooms = {room(module) for module in modules() if module != PACKAGE}
    assert rooms == floors().keys()


def test_imports_point_down() -> None:
    """Whoever changes a socket or a setting breaks the rules of pairing, and nothing can be understood alone."""
    floor = floors()
    highest = max(floor.values())
    upwards = [
        f"{module} imports {other}"
        for module, others in imports().items()
        for other in others
        if room(module) != room(other) and floor[room(other)] >= floor[room(module)] and floor[room(module)] != highest
    ]
    assert not upwards


def test_nothing_goes_round_in_a_circle() -> None:
    """Two files that need each other can only be read, moved and tested together."""
    by_room: dict[str, set[str]] = defaultdict(set)
    for module, others in imports().items():
        by_room[room(module) if module != PACKAGE else ""] |= {room(other) for other in others}
    for graph in (imports(), {name: others - {name} for name, others in by_room.items()}):
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            raise AssertionError(" -> ".join(error.args[1])) from None


def test_no_file_is_long() -> None:
    """A file grows until nobody finds his way in it."""
    long = {module for module, path in modules().items() if len(path.read_text().splitlines()) > MAX_LINES}
    assert long == LONGER


def test_every_file_says_what_it_is_for() -> None:
    """A stranger has to read the code to learn whether it is what he looks for."""
    silent = [module for module, path in modules().items() if not ast.get_docstring(ast.parse(path.read_text()))]
    assert not silent


def test_no_two_classes_have_one_name() -> None:
    """In a traceback, a search or an import it is a guess which of the two is meant."""
    classes: dict[str, set[str]] = defaultdict(set)
    for module, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                classes[node.name].add(module)
    assert not {name: where for name, where in classes.items() if len(where) > 1}
