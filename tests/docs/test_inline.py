"""Every command, configuration line, path, test and log line that stands in the sentences of the documentation."""

import http.client
import json
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from twisted.scripts.twistd import ServerOptions  # type: ignore[attr-defined]

from bench import cli
from bench.modes import MODES as MODES_OF_BENCH
from signald.load.cli import parser
from signald.settings.settings import SETTINGS
from tests.docs import commands, names
from tests.docs.desk import Desk
from tests.docs.page import PAGES, ROOT, anchors, inline, links, prose
from tests.docs.unchecked import INLINE
from tests.support.waiting import PATIENCE_S

OPTIONS = {f"--{row.option}" for row in SETTINGS} | {"--check", "--help", "--version"}


def _option(code: str, page: Path, desk: Desk) -> None:
    words = code.split()
    if page.parent.name == "bench":
        parsers = cli._parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
        assert any(words[0] in parser._option_string_actions for parser in parsers.values()), "bench has no such option"  # type: ignore[union-attr]
        return
    name = words[0].partition("=")[0]
    if name in parser()._option_string_actions and name not in OPTIONS:
        return  # of signald-load
    if name not in OPTIONS and name.lstrip("-") in ServerOptions().synonyms:
        return  # twistd's own, before ``signald``
    assert name in OPTIONS, "twistd signald has no such option"
    if len(words) > 1 or "=" in code:
        variables = {"REDIS_URL": desk.store.url} if words[0] == "--workers" else {}
        desk.read(["2" if word == "N" else word for word in words], variables)


def _assignment(code: str, page: Path, desk: Desk) -> None:
    """``NAME=value``; an ellipsis stands for any value."""
    name, _, value = code.partition("=")
    assert name in commands.VARIABLES, "no such setting"
    if "…" in value:
        return
    # What only makes sense beside another setting stands with it.
    beside = {
        "ICE_SERVERS": {"TURN_SECRET": "a secret of sixteen"},
        "WORKERS": {"REDIS_URL": desk.store.url},
        "AUTH_MODE": {"JWT_SECRET": "a secret of thirty-two bytes and more"},
    }
    variables = {name: value, **beside.get(name, {})}
    desk.read([], variables)


def _endpoint(code: str, page: Path, desk: Desk) -> None:
    files = f"privateKey={desk.certificates}/privkey.pem:certKey={desk.certificates}/fullchain.pem"
    words = code.replace("privateKey=…", files)
    desk.read(["--listen", words], {})


def _request(code: str, page: Path, desk: Desk) -> None:
    """A path of the daemon, on the public port or the operator's: there is something there."""
    method, _, path = code.rpartition(" ")
    path = path.replace("…", "x")
    found = []
    for port in desk.daemon.ports:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        connection.request(method or "GET", path)
        found.append(connection.getresponse().status)
        connection.close()
    assert set(found) != {404}, "the daemon has no such path"


def _file(code: str, page: Path, desk: Desk) -> None:
    path = re.sub(r"^\./", "", code)
    if path.startswith("/etc/signald/"):
        units = "".join(unit.read_text() for unit in (ROOT / "systemd").iterdir())
        assert re.sub(r"-\d+\.env", "-%i.env", path) in units, "no unit reads it"
    elif "/" in path:
        assert any((folder / path).exists() for folder in (ROOT, page.parent, ROOT / "signald")), "no such file"
    else:
        assert path in names.files(), "no such file"


def _constant(code: str, page: Path, desk: Desk) -> None:
    assert code in names.capitals(), "no setting, error code or constant of this name"


def _dotted(code: str, page: Path, desk: Desk) -> None:
    assert code.partition("(")[0] in names.dotted(), "no such name in the code"


def _test(code: str, page: Path, desk: Desk) -> None:
    assert code in names.tests() or code in names.files(), "no such test"


def _alert(code: str, page: Path, desk: Desk) -> None:
    assert code in names.alerts(), "no such alert"


def _command(code: str, page: Path, desk: Desk) -> None:
    checked = subprocess.run(["/bin/sh", "-n"], input=code, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    for variables, words in commands.commands(code):
        commands.check(variables, words, desk)


def _store(code: str, page: Path, desk: Desk) -> None:
    """A command of the store, or a line of its configuration: it takes it."""
    words = code.split()
    desk.store.command(*(words if words[0].isupper() else ("CONFIG", "SET", *words)))


def _json(code: str, page: Path, desk: Desk) -> None:
    text = code if code.startswith("{") else f"{{{code}}}"
    json.loads(text.replace("…", ""))


def _bench(code: str, page: Path, desk: Desk) -> None:
    """A mode of the benchmarks with its options, without what stands before it."""
    _command(f"python -m bench {code.removeprefix('bench ')}", page, desk)


def _script(code: str, page: Path, desk: Desk) -> None:
    """A method or a class of the modules that pages take along."""
    name = code.removeprefix("new ").partition("(")[0]
    begin = "class " if code.startswith("new ") else r"  (async )?|function "
    assert re.search(rf"(?m){begin}{name}\b", names.scripts()), "no such thing in the modules"


def _object(code: str, page: Path, desk: Desk) -> None:
    """Options or fields as they stand in JavaScript."""
    unknown = set(re.findall(r"[\w$]+(?![\w$\"])", code)) - set(re.findall(r"[\w$]+", names.scripts()))
    assert not unknown, f"no such thing in the modules: {unknown}"


def _refusal(code: str, page: Path, desk: Desk) -> None:
    """A setting that stops the start, and what is said then."""
    source, value, words = re.fullmatch(r"signald: (--[\w-]+|[A-Z_]+)='([^']*)': (.*)", code).groups()  # type: ignore[union-attr]
    value = value.replace("…", "domain=INET6:name=missing")
    option, variables = ([source, value], {}) if source.startswith("--") else ([], {source: value})
    with pytest.raises(AssertionError) as refused:
        desk.start(["-n", "--pidfile=", "signald", *option], variables)
    pattern = re.escape(f"signald: {source}='{value}': {words}").replace("…", ".*")
    assert re.search(pattern, str(refused.value)), "it says something else"


def _line(code: str, page: Path, desk: Desk) -> None:
    """What the daemon says: in its source, or where a name is put in, in the log of one that runs."""
    pattern = ".*".join(re.escape(part) for part in code.removeprefix("signald: ").split("…"))
    assert re.search(pattern, names.said()) or re.search(pattern, desk.daemon.log), "the daemon never says that"


_FILES = r"(py|js|ts|lua|md|html|ya?ml|json|toml|cfg|conf|txt|env|service|socket|target|lock)"

Kind = tuple[str, Callable[[str, Path, Desk], None]]

MODES = "|".join(mode.NAME for mode in MODES_OF_BENCH)

KINDS: Sequence[Kind] = (
    (r"signald: (--[\w-]+|[A-Z_]+)='.*", _refusal),
    (rf"bench ({MODES})( --.*)?|({MODES})( --.*)", _bench),
    (r"--?[a-z][a-z-]*( .*|=.*)?", _option),
    (r"[A-Z][A-Z_]+=\S+", _assignment),
    (r"(tcp6?|ssl|unix|systemd|haproxy):\S*=\S+|unix:/\S+", _endpoint),
    (r"(GET|POST|DELETE) /\S*|/(?!etc|proc)\S*", _request),
    (r"test_\w+(\.py)?", _test),
    (r"Signald[A-Z]\w+", _alert),
    (rf"[\w./@-]+\.{_FILES}|(signald|tests|docs|bench|ops|systemd|tools)/\S*|/etc/\S+", _file),
    (r"new (Call|RandomChat|SignalingClient)\(.*|createClient\(.*", _script),
    (r"signald(\.\w+)+|[A-Za-z_]+(\.\w+)*\.[A-Za-z_]+(\(.*\))?", _dotted),
    (r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", _constant),
    (r"\{.*|\"\w+\": .*", _json),
    (r"(ACL|KEYS|ZCARD|SLOWLOG) .*|(maxmemory-policy|appendonly) \w+", _store),
)
"""What inline code looks like, the first that fits. Single words, such as the types of messages, are names."""


def _check(code: str, page: Path, desk: Desk) -> None:
    if page.name == "client.md" and re.fullmatch(r"\w+\([^()]*\)", code):
        return _script(code, page, desk)
    if page.name == "client.md" and re.fullmatch(r"\{ .* \}", code):
        return _object(code, page, desk)
    for pattern, check in KINDS:
        if re.fullmatch(pattern, code):
            return check(code, page, desk)
    _, words = next(commands.commands(code.replace("'", "")), ({}, [])) if " " in code else ({}, [])
    if words and commands.is_known(commands.program(words)):
        return _command(code, page, desk)
    if " " in code:
        return _line(code, page, desk)
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_inline_code(page: Path, desk: Desk) -> None:
    """A reader copies it from a sentence, and there is no such thing."""
    wrong = []
    for code in inline(page):
        if code not in INLINE:
            try:
                _check(code, page, desk)
            except Exception as problem:
                wrong.append(f"`{code}`: {str(problem).splitlines()[0] if str(problem) else type(problem).__name__}")
    assert not wrong, "\n".join(wrong)


def test_unchecked_code_is_still_there() -> None:
    """A list of exceptions that only grows would hide a mistake some day."""
    written = {code for page in PAGES for code in inline(page)}
    assert INLINE.keys() <= written, sorted(INLINE.keys() - written)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """A reader follows a link, and is nowhere."""
    for link in links(page):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


UNITS = {"": 1, "KiB": 1024, "MiB": 1024**2, "s": 1}

BOUND = re.compile(r"`([A-Z][A-Z_]+)`,? ([\d,.]*\d)(?: (KiB|MiB|s)\b)?")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_bounds_are_those_of_the_code(page: Path) -> None:
    """An operator plans with a figure that was changed long ago."""
    for name, value, unit in BOUND.findall(prose(page)):
        if name in names.numbers():
            scale = UNITS[unit] * (1000 if name.endswith("_MS") else 1)
            assert float(value.replace(",", "")) * scale in names.numbers()[name], name


@pytest.mark.parametrize(
    "code",
    [
        "--listen ssl:443:privateKey=privkey.pem:certKey=cert.pem:extraCertChain=chain.pem",
        "--colour",
        "COLOUR=blue",
        "PORT=x",
        "GET /health",
        "/statics",
        "tests/unit/test_nothing.py",
        "test_nothing_at_all",
        "signald.front.Front",
        "Connections.receive",
        "MAX_COLOURS",
        "SignaldFine",
        "publish connection to … is up",
        "make rnu",
        "python -m bench relay --windows 8",
        "KEYS a b c",
        '"complete": yes',
        "systemctl restart signalled",
        "some words that nobody says",
    ],
)
def test_mistakes_are_seen(code: str, desk: Desk) -> None:
    """The test above would pass with anything."""
    with pytest.raises(Exception):  # noqa: B017
        _check(code, ROOT / "README.md", desk)
