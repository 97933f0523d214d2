"""What is made from core.messages: current, and true of what the daemon takes and sends."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from twisted.internet.task import Clock

from signald.brokers.memory import MemoryBroker
from signald.clients.bulletins import BULLETINS_S
from signald.clients.clients import Clients
from signald.clients.questions import Questions
from signald.core import classes, messages, refusals
from signald.core.effects import Enqueue, TakeUp, VerifyToken
from signald.core.ids import ClientId, RoomId
from signald.core.messages import CLIENT_MESSAGES, REFUSALS, SERVER_MESSAGES, ErrorCode, ProtocolError
from signald.core.session import TRANSITIONS, Session
from signald.core.standing import AuthMode, Policy, State
from signald.core.toll import ChallengeMode, Toll
from signald.moderation.bans import Bans
from signald.moderation.operator import Moderation
from signald.moderation.traces import Traces
from signald.telemetry.counts import Counts
from signald.websocket.entrance import Entrance
from signald.websocket.refusing import Refusing
from tests.support import node
from tests.support.frames import TEXT
from tests.support.memory import MemoryDaemon
from tests.support.quiet import Quiet
from tools import schema
from tools.described import description

ROOT = Path(__file__).parents[3]
SCHEMA = schema.json_schema()
TYPES = st.sampled_from([messages.message_type(message) for message in CLIENT_MESSAGES])
EXAMPLE = re.compile(r"^```json (client|server)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "v=0", "\u00e9\U0001f600", "x" * 257, "\U0001f600" * 256]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
almost_messages = st.fixed_dictionaries(
    {},
    optional={
        "type": TYPES | st.sampled_from(["ready", "OFFER", ""]) | json_values,
        "userId": json_values,
        "token": json_values,
        "sdp": json_values,
        "candidate": json_values,
        "from": json_values,
        "id": st.sampled_from([1, 0, "a", 2**53 - 1]),
    },
)


def validator(side: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{side}", "$defs": SCHEMA["$defs"]})


FROM_CLIENT = validator("ClientMessage")
FROM_SERVER = validator("ServerMessage")


def examples(side: str) -> list[str]:
    """Messages in the fenced blocks of the documentation, one on each line."""
    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    return [line for block in EXAMPLE.finditer(text) if block[1] == side for line in block[2].splitlines()]


def test_the_files_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    """Else they tell client authors of another protocol. `make docs` mends it."""
    assert schema.main(["--check"]) == 0, capsys.readouterr().out


def test_a_stale_file_is_named_and_written_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A check that is always content would let the files rot."""
    for path in schema.make(ROOT):
        (tmp_path / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / path.relative_to(ROOT))
    assert schema.main(["--check", "--root", str(tmp_path)]) == 0
    types = tmp_path / "docs" / "protocol.d.ts"
    types.write_text("export {};\n")
    assert schema.main(["--check", "--root", str(tmp_path)]) == 1
    assert capsys.readouterr().out == "stale: docs/protocol.d.ts\n"
    assert types.read_text() == "export {};\n"
    assert schema.main(["--root", str(tmp_path)]) == 0
    assert types.read_text() == schema.typescript()
    assert schema.main(["--check", "--root", str(tmp_path)]) == 0


def test_a_lost_marker_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Else a table that somebody renamed would stay as it is for ever."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "protocol.md").write_text("<!-- made by python -m tools.schema: no table -->\n<!-- end -->")
    assert schema.main(["--root", str(tmp_path)]) == 1
    assert "no such table: no table" in capsys.readouterr().err
    (tmp_path / "docs" / "protocol.md").write_text("prose")
    assert schema.main(["--root", str(tmp_path)]) == 1
    assert "no markers" in capsys.readouterr().err


def test_the_schema_is_one() -> None:
    """A keyword of the wrong form would make validators refuse all or nothing."""
    Draft202012Validator.check_schema(SCHEMA)


def test_everything_is_described() -> None:
    """A field without words is a field that client authors guess at."""
    for message in (*CLIENT_MESSAGES, *SERVER_MESSAGES):
        of = SCHEMA["$defs"][message.__name__]
        assert of["description"]
        for field, part in of["properties"].items():
            assert field == "type" or description(part), f"{message.__name__}.{field}"


@pytest.mark.parametrize("text", examples("client"))
def test_client_examples_are_true(text: str) -> None:
    """Whoever copies an example must not be refused."""
    FROM_CLIENT.validate(json.loads(text))
    messages.parse(text.encode())


@pytest.mark.parametrize("text", examples("server"))
def test_server_examples_are_true(text: str) -> None:
    """They are what authors test their clients with."""
    FROM_SERVER.validate(json.loads(text))


def test_each_type_and_each_error_has_an_example() -> None:
    """Of every message there is one to copy."""
    for side, of in (("client", CLIENT_MESSAGES), ("server", SERVER_MESSAGES)):
        shown = [json.loads(text) for text in examples(side)]
        assert {one["type"] for one in shown} == {messages.message_type(message) for message in of}
    assert {one["code"] for one in shown if one["type"] == "error"} == set(ErrorCode)


@settings(deadline=None)
@given(almost_messages)
def test_the_schema_takes_what_parse_takes(message: dict[str, Any]) -> None:
    """A client that validates what it sends is never refused for its form, and is warned of all that would be."""
    try:
        messages.parse(json.dumps(message).encode())
    except ProtocolError:
        parsed = False
    else:
        parsed = True
    assert FROM_CLIENT.is_valid(message) == parsed


def test_refusals_are_those_of_the_session() -> None:
    """The documentation says which messages bring which error."""
    required: dict[str, Any] = {
        "payload": b"null",
        "token": "t",
        "reason": "spam",
        "result": "failed",
        "received": 0,
        "data": b"1",
    }
    proof: dict[str, Any] = {name: "" for name in ("algorithm", "challenge", "salt", "signature")}
    rooms = {"outcome": {"roomId": "of others"}, "proof": {**proof, "number": 0}}
    toll = Toll(ChallengeMode.ON, 1.0, b"key", lambda: "", lambda below: 0, lambda: 0.0)
    for message in CLIENT_MESSAGES:
        fields = {name: required[name] for name in message.__struct_fields__ if name in required}
        fields |= rooms.get(messages.message_type(message), {})
        refused = set()
        for state in State:
            for policy in (*(Policy(auth=auth) for auth in AuthMode), Policy(toll=toll)):
                session = Session(ClientId("a"), policy)
                session.room = RoomId("r")
                try:
                    effects = TRANSITIONS[state][message](session, message(**fields), 0.0)
                except ProtocolError as problem:
                    refused.add(problem.code)
                else:
                    if any(isinstance(effect, VerifyToken) for effect in effects):
                        refused |= {ErrorCode.AUTH_FAILED, ErrorCode.BANNED, ErrorCode.TOO_MANY_OF_USER}
                    refused |= {ErrorCode.RESUME_FAILED for effect in effects if isinstance(effect, TakeUp)}
                    refused |= {ErrorCode.CROWDED for effect in effects if isinstance(effect, Enqueue)}
        assert refused == set(REFUSALS.get(message, ())), message.__name__


class Wire(Quiet):
    """Keeps what one client is sent."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []

    def send(self, text: bytes) -> None:
        self.received.append(json.loads(text))


def resuming_story() -> list[dict[str, Any]]:
    """What two clients of today are sent of whom one is away for a while."""
    daemon = MemoryDaemon()
    one, other = daemon.pair(modern=True)
    one.vanish()
    again = daemon.resume(one)
    return [json.loads(frame.payload) for client in (other, again) for frame in client.frames if frame.opcode == TEXT]


def wishing_story() -> list[dict[str, Any]]:
    """What two clients of today are sent who want to meet somebody special, and one for whom there is no place."""
    daemon = MemoryDaemon()
    one, other, third = (daemon.modern() for _ in range(3))
    one.send("available", likes=["music"])
    daemon.advance(BULLETINS_S)
    other.send("available", likes=["Music"])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(classes, "CLASSES_AT_MOST", 0)
        third.send("available", pool="elsewhere", wants={"k": ["v"]})
        daemon.settle()
    return [json.loads(frame.payload) for each in (one, other, third) for frame in each.frames if frame.opcode == TEXT]


def asking_story() -> list[dict[str, Any]]:
    """What a client of today is sent that wants answers, of a partner that does not know what it says too."""
    daemon = MemoryDaemon()
    client, old = daemon.modern(), daemon.client()
    old.send("available")
    client.send("available")
    client.send("data", data=1)
    old.send("leave")
    client.send("leave")
    for kind in ("ping", "next", "fly"):
        client.send(kind, id=kind)
    client.send("leave", id=1, roomId="over")
    return [json.loads(frame.payload) for frame in client.frames if frame.opcode == TEXT]


def refused_story() -> list[dict[str, Any]]:
    """What clients of today are sent that are not let in, for whatever reason."""
    counts, entrance = Counts(), Entrance(frozenset())
    refusing = Refusing(entrance, lambda address: 1.5, lambda: 0.5)
    said = [text for each in refusals.ALL for text in refusing.words(refusals.Refused(each))]
    assert set(counts.turned_away) == {json.loads(text)["code"] for text in said[::2]}
    return [json.loads(text) for text in said]


def working_story() -> list[dict[str, Any]]:
    """What guests are sent who have to work, of today and of the time before."""
    daemon = MemoryDaemon(CHALLENGE="on")
    guest, old = daemon.modern(), daemon.client()
    for client in (guest, old):
        client.send("available")
    guest.send("proof", algorithm="", challenge="", number=0, salt="", signature="")
    return [json.loads(frame.payload) for each in (guest, old) for frame in each.frames if frame.opcode == TEXT]


def last_story() -> list[dict[str, Any]]:
    """What two clients of today are sent who tell each other something, before the server stops."""
    daemon = MemoryDaemon()
    one, other = daemon.pair(modern=True)
    one.send("data", data=1)
    one.send("report", reason="spam", id=1)
    daemon.stop()
    return [json.loads(frame.payload) for each in (one, other) for frame in each.frames if frame.opcode == TEXT]


def test_what_is_sent_is_what_the_schema_says() -> None:
    """Relayed messages and their heads are put together by hand, not by the classes that the schema comes from."""
    clock = Clock()
    numbers = iter(range(100))
    broker = MemoryBroker(clock, lambda: RoomId(f"room{next(numbers)}"), "here", 3600.0)
    clients = Clients(
        broker,
        clock,
        new_client_id=lambda: ClientId(f"client{next(numbers)}"),
        policy=Policy(),
        max_messages_per_second=12,
        counts=Counts(),
    )
    moderation = Moderation(
        clients=clients,
        questions=Questions(broker),
        instance=lambda: broker.instance,
        bans=Bans(lambda: 0.0),
        traces=Traces(clock.seconds),
        now=clock.seconds,
    )
    broker.start(clients, moderation)
    wires = [Wire(), Wire()]
    a, b = [clients.open(wire) for wire in wires]
    for client in (a, b):
        clients.receive(client, b'{"type":"offer","sdp":""}')
        clients.receive(client, b'{"type":"available"}')
    clients.receive(a, b'{"type":"available"}')
    for sdp in (b'"v=0\\r\\n"', b'{"type":"offer","sdp":"v=0"}', b"null"):
        clients.receive(a, b'{"from":"nobody","sdp":%b,"type":"offer"}' % sdp)
        clients.receive(b, b'{"type":"answer","sdp":%b}' % sdp)
    clients.receive(a, b'{"type":"ice","candidate":{"candidate":""}}')
    clients.receive(b, b'{"type":"ice","candidate":null}')
    clients.receive(a, b'{"type":"ping"}')
    clients.receive(a, b'{"type":"fly"}')
    clients.receive(b, b"not JSON")
    clients.refuse(b, "binary")
    clients.closed(b, "test")
    for _ in range(10):
        clients.receive(a, b'{"type":"ping"}')
    required = Policy(auth=AuthMode.REQUIRED)
    strict = Clients(
        broker,
        clock,
        new_client_id=lambda: ClientId("stranger"),
        policy=required,
        max_messages_per_second=12,
        counts=Counts(),
    )
    stranger = strict.open(wires[0])
    strict.receive(stranger, b'{"type":"available"}')
    strict.receive(stranger, b'{"type":"auth","token":"t"}')
    strict.receive(strict.open(wires[0]), b'{"type":"resume","token":"t","received":0}')
    sent = wires[0].received + wires[1].received + resuming_story() + wishing_story() + asking_story() + last_story()
    sent += refused_story() + working_story()
    for message in sent:
        FROM_SERVER.validate(message)
        known = {name for of in SCHEMA["$defs"].values() for name in of.get("properties", {})}
        assert set(message) <= known
    assert {message["type"] for message in sent} == {messages.message_type(message) for message in SERVER_MESSAGES}
    assert {message["code"] for message in sent if message["type"] == "error"} == set(ErrorCode)


def test_the_types_compile_and_tell_messages_apart(tmp_path: Path) -> None:
    """A client's switch over `type` narrows to the fields of that message, and misses none."""
    shutil.copy(ROOT / "docs" / "protocol.d.ts", tmp_path)
    cases = {"ready": "clientId", "matched": "initiator", "offer": "sdp", "answer": "sdp", "ice": "candidate"}
    cases |= {"error": "code", "partner-left": "type", "pong": "type"}
    cases |= {"resumed": "lost", "partner-away": "seconds", "partner-back": "lost", "waiting": "atLeast", "ok": "id"}
    cases |= {"data": "from", "goodbye": "action", "reported": "reportId", "challenge": "salt"}
    switch = "".join(f'    case "{of}": return String(message.{field});\n' for of, field in cases.items())
    (tmp_path / "client.ts").write_text(
        'import type { ClientMessage, ServerMessage } from "./protocol";\n'
        f"export function read(message: ServerMessage): string {{\n  switch (message.type) {{\n{switch}  }}\n}}\n"
        'export const sent: ClientMessage[] = [{ type: "offer", sdp: "" }, { type: "ice", candidate: null }];\n'
        '// @ts-expect-error: no candidate\nexport const wrong: ClientMessage = { type: "ice" };\n'
    )
    target = ["--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"]
    node.run(tmp_path, str(node.modules() / ".bin" / "tsc"), "--noEmit", "--strict", *target, "client.ts")
