"""Everything that the documentation can name: what the code, the tests and the daemon have."""

import ast
import importlib
import re
from functools import cache
from pathlib import Path

import yaml

from signald.core.messages import ErrorCode
from signald.settings.settings import SETTINGS
from tests.docs.page import ROOT

CODE = ("signald", "bench", "tools", "tests", "clients/python/src")


@cache
def sources() -> dict[Path, ast.Module]:
    """Every module of ours."""
    return {
        path: ast.parse(path.read_text(encoding="utf-8")) for folder in CODE for path in (ROOT / folder).rglob("*.py")
    }


@cache
def files() -> frozenset[str]:
    """Names of all files of the project, without their folders."""
    folders = (
        "signald",
        "bench",
        "tools",
        "tests",
        "docs",
        "ops",
        "systemd",
        "requirements",
        "newsfragments",
        "clients",
    )
    inside = (path for folder in folders for path in (ROOT / folder).rglob("*") if "node_modules" not in path.parts)
    return frozenset(path.name for path in (*inside, *ROOT.iterdir()))


@cache
def capitals() -> frozenset[str]:
    """Settings, error codes and constants."""
    constants = {
        target.id
        for tree in sources().values()
        for statement in ast.walk(tree)
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
        if isinstance(target, ast.Name) and target.id.isupper()
    }
    return frozenset({row.variable for row in SETTINGS} | {*ErrorCode} | constants)


@cache
def numbers() -> dict[str, set[float]]:
    """Constants that are numbers, by name; the same name may stand in several modules."""
    found: dict[str, set[float]] = {}
    for path in (ROOT / "signald").rglob("*.py"):
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for name, value in vars(module).items():
            if name.isupper() and isinstance(value, int | float):
                found.setdefault(name, set()).add(value)
    return found


@cache
def tests() -> frozenset[str]:
    """Names of tests."""
    return frozenset(
        node.name
        for tree in sources().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


@cache
def dotted() -> frozenset[str]:
    """What stands in a module or a class of ours, with the name of that before a dot."""
    found = set()
    for path, tree in sources().items():
        module = path.relative_to(ROOT).with_suffix("")
        whole = ".".join(module.parts).removesuffix(".__init__")
        found.add(whole)
        for statement in tree.body:
            names = _defined(statement)
            short = whole.partition(".")[2] or whole
            found |= {f"{prefix}.{name}" for prefix in (whole, short, module.name) for name in names}
            if isinstance(statement, ast.ClassDef):
                inside = {name for inner in statement.body for name in _defined(inner)}
                found |= {f"{statement.name}.{name}" for name in inside}
                found |= {f"{whole}.{statement.name}.{name}" for name in inside}
                found |= {f"{module.name}.{name}" for name in inside}
    return frozenset(found)


def _defined(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return {statement.name}
    if isinstance(statement, ast.Assign):
        return {target.id for target in statement.targets if isinstance(target, ast.Name)}
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return {statement.target.id}
    return set()


@cache
def said() -> str:
    """Everything that the daemon can say, in the log, in errors and in responses; each value as an ellipsis."""
    texts = []
    for path, tree in sources().items():
        if path.is_relative_to(ROOT / "signald"):
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(re.sub(r"\{\w*(!r)?(:[^}]*)?\}", "…", node.value))
                elif isinstance(node, ast.JoinedStr):
                    parts = (str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
                    texts.append("".join(parts))
    return "\n".join(texts)


@cache
def scripts() -> str:
    """The JavaScript that pages may take along."""
    return "".join(path.read_text() for path in (ROOT / "signald" / "web" / "static").glob("*.js"))


@cache
def alerts() -> frozenset[str]:
    """Names of alerts."""
    groups = yaml.safe_load((ROOT / "ops" / "alerts.yaml").read_text())["groups"]
    return frozenset(rule["alert"] for group in groups for rule in group["rules"])
