"""Every code block of the documentation: run, or read by what will read it."""

import ast
import configparser
import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

import msgspec
import pytest
import yaml

from signald.brokers.redis.keys import Keys, file_ticket
from signald.core import messages
from signald.core.blocks import Blocks
from signald.core.ids import ClientId, UserId
from signald.core.matching import Queue, Ticket
from signald.core.messages import Available, ClientMessage, ServerMessage
from signald.core.wishes import Vocabulary, make_wish
from signald.moderation.events import EndedEvent, MatchedEvent, ReportEvent
from tests.docs import commands
from tests.docs.desk import Desk
from tests.docs.page import PAGES, ROOT, Block, blocks
from tests.support import node
from tests.support.waiting import PATIENCE_S

STATIC = ROOT / "signald" / "web" / "static"
PYTHON_KIT = ROOT / "clients" / "python" / "src"

TYPES = {kind.__struct_config__.tag for kind in (*get_args(ClientMessage), *get_args(ServerMessage))}
"""Of all messages."""

ALL = [block for page in PAGES for block in blocks(page)]


def _shell(block: Block, desk: Desk) -> None:
    checked = subprocess.run(["/bin/sh", "-n"], input=block.text, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    own = commands.functions(block.text)
    for variables, words in commands.commands(block.text):
        if not (words and words[0] in own):
            commands.check(variables, words, desk)


def _operator(block: Block, desk: Desk) -> None:
    """Requests to the operator's API, in order; the first two find somebody."""
    assert desk.client.id
    statuses = desk.shell(block.text)
    asked = len(re.findall(r"(?m)^admin ", block.text))
    assert len(statuses) == asked
    # Nothing is refused for what it says; only the ban that is asked for before it is said is not there.
    assert [status for status in statuses if status >= 300] == [404], statuses


def _settings(block: Block, desk: Desk) -> None:
    """Lines of ``signald.env``, which systemd and the shell read alike."""
    found: dict[str, str] = {}
    for variables, words in commands.commands(block.text):
        assert not words, "only settings"
        commands.check(variables, words, desk)
        found |= variables
    desk.start(["-n", "--pidfile=", "signald"], found)


def _unit(block: Block, desk: Desk) -> None:
    """A drop-in of a unit: sections and directives that our units have, or systemd's manual."""
    sections = configparser.ConfigParser(strict=False, interpolation=None)
    sections.optionxform = str  # type: ignore[assignment, method-assign]
    sections.read_string(block.text)
    known = {"Socket": {"ListenStream"}, "Service": {"SupplementaryGroups"}}
    for section in sections.sections():
        assert set(sections[section]) <= known[section]


def _json(block: Block, desk: Desk) -> None:
    json.loads(block.text)


def _event(block: Block, desk: Desk) -> None:
    for text in block.text.strip().split("\n\n"):
        event = msgspec.json.decode(text, type=ReportEvent | MatchedEvent | EndedEvent)
        # Every field is shown, and in the words that are sent.
        assert json.loads(msgspec.json.encode(event)) == json.loads(text)
        assert {*json.loads(text)} == {"type", *(field.encode_name for field in msgspec.structs.fields(type(event)))}


def _python(block: Block, desk: Desk) -> None:
    """A program that can be read, and imports what is there; `make test-kits` checks its types."""
    for statement in ast.walk(ast.parse(block.text)):
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("signald_client"):
            path = PYTHON_KIT / str(statement.module).replace(".", "/")
            source = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
            for name in statement.names:
                assert re.search(rf"\b{name.name}\b", source), f"{statement.module} has no {name.name}"


def _from_client(block: Block, desk: Desk) -> None:
    for line in block.text.splitlines():
        messages.parse(line.encode())


def _meeting(block: Block, *claims: str) -> tuple[bool, bool]:
    """Whether two clients meet, who say this one after the other: at once, and when all has worn off that can."""
    said = [messages.parse(line.encode()) for line in block.text.splitlines()]
    vocabulary = Vocabulary(claims=frozenset(claims))
    wishes = [make_wish(each.wishes(), (), vocabulary) for each in said if isinstance(each, Available)]
    first, second = (Ticket(ClientId(str(number)), 1, 0.0, wish=wish) for number, wish in enumerate(wishes))
    queue = Queue(Blocks(1.0))
    queue.add(first, 0.0)
    if queue.match(second, 0.0) is not None:
        return True, True
    later = float(messages.MAX_RELAX_S)
    queue.changed(later)
    return False, queue.match(second, later) is not None


def _meet(block: Block, desk: Desk) -> None:
    assert _meeting(block) == (True, True)


def _meet_later(block: Block, desk: Desk) -> None:
    assert _meeting(block) == (False, True)


def _apart(block: Block, desk: Desk) -> None:
    assert _meeting(block, *block.language.split()[3:]) == (False, False)


def _from_server(block: Block, desk: Desk) -> None:
    for line in block.text.splitlines():
        decoded = msgspec.json.decode(line, type=ServerMessage)
        assert json.loads(messages.to_json(decoded)) == json.loads(line)


def _page(block: Block, desk: Desk) -> None:
    """A page's scripts are modules that Node can read, and import what is there."""
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", block.text, re.DOTALL)
    assert scripts
    for script in scripts:
        for names, path in re.findall(r'import \{ ([\w, ]+) \} from "\./([\w.]+)"', script):
            exported = (STATIC / path).read_text()
            for name in names.split(", "):
                assert re.search(rf"export (class|const|function) {name}\b", exported), f"{path} exports no {name}"
        for path in re.findall(r'new (?:WebSocket|SignalingClient)\("([^"]+)"', script):
            assert urlsplit(path).path == "/ws"
        _module(block._replace(text=script), desk)


def _module(block: Block, desk: Desk) -> None:
    """A module that Node can read."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    file = desk.folder / "page.mjs"
    file.write_text(block.text)
    checked = subprocess.run([node, "--check", str(file)], capture_output=True, text=True, timeout=PATIENCE_S)
    assert checked.returncode == 0, checked.stderr


def _component(block: Block, desk: Desk) -> None:
    """A module with React's elements in it, which uses what the kit gives."""
    source = desk.folder / "component.tsx"
    source.write_text(block.text)
    node.run(desk.folder, str(node.modules() / ".bin" / "esbuild"), source.name, "--outfile=component.js")
    kit = (node.KIT / "src" / "react.js").read_text()
    (imported,) = re.findall(r'import \{ (\w+) \} from "@signald/client/react"', block.text)
    assert f"export function {imported}(" in kit
    for name in re.search(rf"const \{{ ([\w, ]+) \}} = {imported}\(", block.text)[1].split(", "):  # type: ignore[index]
        assert re.search(rf"\b{name}: \(|\*?\s@property .* {name}\b", kit + (STATIC / "snapshot.js").read_text()), name


def _yaml(block: Block, desk: Desk) -> None:
    """Whether it is what a platform wants is looked at in tests/ops/test_deploy.py; here that its command starts."""
    document = yaml.safe_load(block.text)
    for command in (document.get("run") or {}).values():
        _shell(block._replace(text=command), desk)


def _toml(block: Block, desk: Desk) -> None:
    tomllib.loads(block.text)


def _diagram(block: Block, desk: Desk) -> None:
    """A sequence diagram of Mermaid: who takes part is said first, and what clients are sent is of the protocol."""
    first, *lines = block.text.splitlines()
    assert first == "sequenceDiagram"
    people = dict(re.findall(r"(?m)^    participant (\w) as (.+)$", block.text))
    for line in lines:
        arrow = re.fullmatch(r"    (\w)->>(\w): (.+)", line)
        note = re.fullmatch(r"    Note over (\w)(?:,(\w))?: .+", line)
        assert arrow or note or re.fullmatch(r"    participant \w as .+", line), line
        for found in (arrow, note):
            assert found is None or {*found.groups()[:2]} - {None} <= {*people}, line
        if arrow and {people[arrow[1]], people[arrow[2]]} & {"client", "partner"}:
            message = arrow[3].split(",")[0]
            assert message == "close 1012" or message in TYPES, line


def _keys(block: Block, desk: Desk) -> None:
    """What an operator sees in the store: all kinds of keys, and a ticket with all its parts."""
    keys = Keys("webrtc:")
    built = {value for value in vars(keys).values() if isinstance(value, str)}
    assert set(re.findall(r"(?m)^(webrtc:[\w:-]+)", block.text)) == built
    ticket = Ticket(ClientId("client"), 1, 0.0, (ClientId("avoid"),), 0.0, UserId("user"))
    parts = len(file_ticket("instance", ticket, avoiding=True).split("|"))
    described = re.search(r"instance(\|\w+)+", block.text)
    assert described and len(re.findall(r"\w+", described[0])) == parts


_LANGUAGES: Mapping[str, Callable[[Block, Desk], None]] = {
    "html": _page,
    "ini": _unit,
    "js": _module,
    "json": _json,
    "json client": _from_client,
    "json client apart": _apart,
    "json client apart adult": _apart,
    "json client later": _meet_later,
    "json client meet": _meet,
    "json event": _event,
    "json server": _from_server,
    "mermaid": _diagram,
    "python": _python,
    "sh": _shell,
    "sh operator": _operator,
    "sh settings": _settings,
    "text keys": _keys,
    "toml": _toml,
    "tsx": _component,
    "yaml": _yaml,
}
"""How a block of each language is checked. GitHub colours it by the first word and ignores the others."""


@pytest.mark.parametrize("block", ALL, ids=str)
def test_block(block: Block, desk: Desk) -> None:
    """A reader types it, and it does not work."""
    assert block.language in _LANGUAGES, f"say what this block is: one of {', '.join(_LANGUAGES)}"
    _LANGUAGES[block.language](block, desk)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("sh", "twistd -n --pidfile= signald --listen ssl:443:privateKey=privkey.pem:extraCertChain=chain.pem\n"),
        ("sh", "twistd -n --pidfile= signald --colour blue\n"),
        ("sh", "twistd signald --check\n"),
        ("sh", "make rnu\n"),
        ("sh", "python -m bench relay --windows 8\n"),
        ("sh", ".venv/bin/python -m pytest tests/unit/test_nothing.py\n"),
        ("sh", "systemctl restart signalled\n"),
        ("sh", "for port in 1; do\n"),
        ("sh", "unheard-of --option\n"),
        ("sh", "curl http://localhost:8080/health\n"),
        ("sh settings", "PORTS=1\n"),
        ("sh settings", "PORT=x\n"),
        ("sh settings", "LISTEN=tcp:8080:colour=blue\n"),
        ("json client", '{"type":"offer"}\n'),
        ("json client meet", '{"type":"available","likes":["a"]}\n{"type":"available","likes":["b"]}\n'),
        ("json client later", '{"type":"available","likes":["a"]}\n{"type":"available","likes":["A"]}\n'),
        ("json client apart", '{"type":"available","likes":["a"]}\n{"type":"available","likes":["b"]}\n'),
        ("json server", '{"type":"matched","roomId":"r","partnerId":"p"}\n'),
        ("html", '<script type="module">import { Caller } from "./call.js";</script>\n'),
        ("html", '<script type="module">const = 1;</script>\n'),
        ("tsx", 'import { useRandomChat } from "@signald/client/react";\nconst { strat } = useRandomChat({});\n'),
        ("python", "from signald_client import conect\n"),
        ("text keys", "webrtc:waiting  sorted set  instance|client|number|avoid\n"),
        ("", "anything\n"),
    ],
)
def test_mistakes_are_seen(language: str, text: str, desk: Desk) -> None:
    """The test above would pass with anything."""
    if language == "html" and shutil.which("node") is None:
        pytest.skip("node is not installed")
    with pytest.raises((AssertionError, messages.ProtocolError, msgspec.MsgspecError)):
        test_block(Block(Path("README.md"), 1, language, text), desk)
