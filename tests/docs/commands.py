"""Checks commands of the documentation, each program in its own way: run where that is harmless, else its words."""

import importlib.metadata
import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench import cli
from signald.load.cli import parser
from signald.settings.settings import SETTINGS
from tests.docs.desk import Desk
from tests.docs.page import ROOT
from tests.docs.unchecked import PROGRAMS
from tests.support.waiting import PATIENCE_S

VARIABLES = {row.variable for row in SETTINGS}

UNITS = {path.name for path in (ROOT / "systemd").iterdir()}

_SOURCES = "/usr/local/src/signald"
"""Where the documentation has the checkout."""

_KEYWORDS = {"do", "done", "else", "fi", "if", "then", "until", "while", "!"}

_SEPARATORS = set(";&|()\n")

Words = Sequence[str]


def commands(script: str) -> Iterator[tuple[dict[str, str], list[str]]]:
    """The commands of a shell script: variables that are set for one, and its words."""
    script = re.sub(r"\\\n", " ", re.sub(r"(?m)(^|\s)#.*$", "", script))
    lexer = shlex.shlex(script, posix=True, punctuation_chars="".join(_SEPARATORS))
    lexer.whitespace = " \t"
    lexer.commenters = ""
    lexer.whitespace_split = True
    words: list[str] = []
    for token in [*lexer, "\n"]:
        if not set(token) <= _SEPARATORS:
            words.append(token)
            continue
        while words and (words[0] in _KEYWORDS or words[0] in {"{", "}"}):
            del words[0]
        words = [word for word in words if word not in {">/dev/null", "{", "}"}]
        if words and words[0] != "for":
            variables = {}
            while words and (named := re.fullmatch(r"([A-Z_]+)=(.*)", words[0])):
                variables[named[1]] = named[2]
                del words[0]
            yield variables, words
        words = []


def functions(script: str) -> set[str]:
    """Names that a script defines itself."""
    return set(re.findall(r"(?m)^(\w+)\(\) ", script))


def program(words: Words) -> str:
    """The program of a command, wherever it is installed."""
    return words[0].rpartition("/")[2]


def is_known(name: str) -> bool:
    """Whether commands of this program can be checked, or are listed as those that cannot."""
    return name in _CHECKS or name in PROGRAMS


def check(variables: Mapping[str, str], words: Words, desk: Desk) -> None:
    """See that a command is right, as far as can be seen.

    Raises:
        AssertionError: It is not, or nobody has said how to see it.
    """
    for word in words:
        if word.startswith(_SOURCES):
            path = word.removeprefix(_SOURCES).lstrip("/")
            assert list(ROOT.glob(path)) if "*" in path else (ROOT / path).exists(), f"no {path} in the checkout"
    if not words:
        _check_variables(variables)
        return
    name = program(words)
    assert is_known(name), f"nobody has said how to check {name!r}: see tests/docs/unchecked.py"
    if name in _CHECKS:
        _CHECKS[name](variables, words[1:], desk)


def _check_variables(variables: Mapping[str, str]) -> None:
    known = VARIABLES | {"PATH"}
    assert variables.keys() <= known, f"no such setting: {sorted(variables.keys() - known)}"


def _twistd(variables: Mapping[str, str], words: Words, desk: Desk) -> None:
    if words[-1] != "signald" and not {"--help", "--version"} & {*words}:
        assert "-n" in words, "without -n it goes into the background: --check would say nothing, and leave a pid file"
        assert "--pidfile=" in words, "the second one in the same folder would refuse to start"
    desk.start([word for word in words if word != "…"], variables)


def _make(variables: Mapping[str, str], words: Words, desk: Desk) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"(?m)^([a-z-]+):", makefile))
    for word in words:
        name, has_value, _ = word.partition("=")
        if word == "…":
            continue
        assert not has_value or re.search(rf"\$\({name}\)", makefile), f"the Makefile looks at no {name}"
        assert has_value or name in targets, f"no target {name} in the Makefile"


def _python(variables: Mapping[str, str], words: Words, desk: Desk) -> None:
    assert words[0] == "-m", "only modules"
    module, *rest = words[1:]
    if module in {"pytest", "pip"}:
        _CHECKS[module](variables, rest, desk)
    elif module == "bench":
        _bench(rest)
    else:
        sys.path.insert(0, str(ROOT))
        try:
            assert importlib.util.find_spec(module), f"no module {module}"
        finally:
            sys.path.remove(str(ROOT))


def _bench(words: Words) -> None:
    stands_for = {"MODE": "relay", "P": "20", "W": "8"}
    words = [stands_for.get(word, word) for word in words]
    try:
        cli._parser().parse_args([word for word in words if word != "--help"])
    except SystemExit:
        raise AssertionError(f"python -m bench does not understand {shlex.join(words)}") from None


def _pytest(variables: Mapping[str, str], words: Words, desk: Desk) -> None:
    for name in variables:
        assert name in VARIABLES or any(
            f'"{name}"' in path.read_text() for word in words if (path := ROOT / word).is_file()
        ), f"nothing there reads {name}"
    for word in words:
        assert "/" not in word or (ROOT / word).exists(), f"no {word}"
    if "-k" not in words:
        return
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:xdist", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert collected.returncode == 0, collected.stdout


def _pip(variables: Mapping[str, str], words: Words, desk: Desk) -> None:
    assert words[0] == "install"
    if "-r" in words:
        assert (ROOT / words[words.index("-r") + 1]).is_file()
    for name, extra in re.findall(r"([\w.-]+)\[(\w+)\]", " ".join(words)):
        if name == "signald-client":
            project = tomllib.loads((ROOT / "clients" / "python" / "pyproject.toml").read_text())["project"]
            assert extra in project["optional-dependencies"]
        else:
            assert extra in (importlib.metadata.metadata("signald").get_all("Provides-Extra") or ())


def _load(variables: Mapping[str, str], words: Words, desk: Desk) -> None:
    try:
        parser().parse_args(words)
    except SystemExit:
        raise AssertionError(f"signald-load does not understand {shlex.join(words)}") from None


def _systemctl(variables: Mapping[str, str], words: Words, desk: Desk) -> None:
    verbs = ["daemon-reload", "disable", "edit", "enable", "reload", "restart", "start", "status", "stop"]
    verb, *units = words
    assert verb in verbs, f"systemctl {verb}?"
    for unit in (unit for unit in units if not unit.startswith("-")):
        name = unit if unit.endswith((".service", ".socket", ".target")) else f"{unit}.service"
        assert re.sub(r"@[^.]*", "@", name) in UNITS, f"no unit {name}"


def _systemd_analyze(variables: Mapping[str, str], words: Words, desk: Desk) -> None:
    assert words[0] in {"security", "verify"}
    _systemctl(variables, ["status", *words[1:]], desk)


def _curl(variables: Mapping[str, str], words: Words, desk: Desk) -> None:
    """GET on a public path; what the operator's API is asked for is run: see `Desk.shell`."""
    url = next((word for word in words if re.search("localhost|127.0.0.1", word)), None)
    if url is None:  # of a function that gets it as an argument
        assert words[-1] in {"$@", "$1"}
        return
    path = re.sub(r"^(http://)?[^/]+", "", url)
    assert desk.shell(f"curl -sS http://localhost:8080{path}") == [200], path


def _towncrier(variables: Mapping[str, str], words: Words, desk: Desk) -> None:
    made = subprocess.run(
        [str(Path(sys.executable).with_name("towncrier")), *words, "--draft"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert made.returncode == 0, made.stderr


def _redis_cli(variables: Mapping[str, str], words: Words, desk: Desk) -> None:
    desk.store.command(*words)


def _cp(variables: Mapping[str, str], words: Words, desk: Desk) -> None:
    assert words[0].startswith(_SOURCES), "only files of the checkout"


def _program_of_tests(name: str) -> Callable[[Mapping[str, str], Words, Desk], None]:
    def check(variables: Mapping[str, str], words: Words, desk: Desk) -> None:
        tests = (path.read_text() for path in (ROOT / "tests").rglob("*.py") if path.parent != Path(__file__).parent)
        assert any(f'"{name}"' in text for text in tests), f"no test runs {name}"

    return check


_CHECKS: Mapping[str, Callable[[Mapping[str, str], Words, Desk], None]] = {
    "cp": _cp,
    "curl": _curl,
    "make": _make,
    "pip": _pip,
    "promtool": _program_of_tests("promtool"),
    "pytest": _pytest,
    "python": _python,
    "python3": _python,
    "redis-cli": _redis_cli,
    "signald-load": _load,
    "systemctl": _systemctl,
    "systemd-analyze": _systemd_analyze,
    "systemd-socket-activate": _program_of_tests("systemd-socket-activate"),
    "towncrier": _towncrier,
    "twistd": _twistd,
}
