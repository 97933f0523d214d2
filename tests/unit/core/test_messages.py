"""What a client may say, field by field, and that a relay changes no byte of it."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import UNSET

from signald.core import messages, signals
from signald.core.ids import ClientId, RoomId
from signald.core.messages import (
    MAX_NESTING,
    MAX_TOKEN_LENGTH,
    MAX_USER_ID_LENGTH,
    Answer,
    Auth,
    Available,
    ClientMessage,
    ErrorCode,
    Ice,
    Leave,
    Next,
    Offer,
    Ping,
    ProtocolError,
    Signal,
)
from tests.support.signals import outcome

SENDER = ClientId("sender")
HEADS = messages.relay_heads(SENDER)


def parse(text: str | bytes) -> ClientMessage:
    """Read it in both ways, which must do the same."""
    text = text.encode() if isinstance(text, str) else text
    assert outcome(signals.reader(native=True), text) == outcome(messages.parse, text)
    return messages.parse(text)


def refused(text: str | bytes) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        parse(text)
    return caught.value


def relay(text: str | bytes) -> bytes:
    signal = parse(text)
    assert isinstance(signal, Signal)
    return messages.relayed(HEADS, signal)


# --- what is understood -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"type":"available"}', Available),
        ('{"type":"next"}', Next),
        ('{"type":"leave"}', Leave),
        ('{"type":"ping"}', Ping),
        ('{"type":"auth"}', Auth),
        ('{"type":"offer","sdp":""}', Offer),
        ('{"type":"answer","sdp":""}', Answer),
        ('{"type":"ice","candidate":null}', Ice),
    ],
)
def test_every_type(text: str, kind: type[Any]) -> None:
    """A client of the old server says something that is not understood any more."""
    assert type(parse(text)) is kind
    assert type(parse(f" \n\t{text} ")) is kind
    assert type(parse(text.replace('"type":', '"unknown":[{"x":1}],"type" : '))) is kind
    assert type(parse(text[:-1] + ',"more":{"a":null}}')) is kind


def test_auth() -> None:
    """A client cannot say who it is."""
    assert parse('{"type":"auth"}') == Auth(UNSET, UNSET)
    assert parse('{"type":"auth","userId":"me","token":"t"}') == Auth("me", "t")
    assert parse('{"type":"auth","userId":null,"token":null}') == Auth(None, None)


@pytest.mark.parametrize("value", ["7", "true", "[]", "{}", "1.5"])
@pytest.mark.parametrize("field", ["userId", "token"])
def test_auth_of_the_wrong_type(field: str, value: str) -> None:
    """Something that is no text is taken for a name."""
    error = refused(f'{{"type":"auth","{field}":{value}}}')
    assert error.code is ErrorCode.INVALID_FORMAT
    assert field in error.message


@pytest.mark.parametrize(("field", "limit"), [("userId", MAX_USER_ID_LENGTH), ("token", MAX_TOKEN_LENGTH)])
def test_auth_limits(field: str, limit: int) -> None:
    """A name of 60 kB fills the logs, or an ordinary token is too long."""
    fits = json.dumps({"type": "auth", field: "ä" * limit})
    assert getattr(parse(fits), field) == "ä" * limit
    error = refused(json.dumps({"type": "auth", field: "ä" * (limit + 1)}))
    assert (error.code, field in error.message) == (ErrorCode.INVALID_FORMAT, True)


@pytest.mark.parametrize("value", ['""', '"v=0"', "null", "7", "true", "[1,2]", '{"type":"offer","sdp":"v=0"}', "{}"])
@pytest.mark.parametrize("kind", ["offer", "answer"])
def test_sdp_is_any_json(kind: str, value: str) -> None:
    """Clients that send the browser's `{type, sdp}` object are refused."""
    assert relay(f'{{"type":"{kind}","sdp":{value}}}') == (
        f'{{"type":"{kind}","from":"sender","sdp":{value}}}'.encode()
    )


@pytest.mark.parametrize("value", ["null", "{}", '{"candidate":""}', '{"candidate":"x","sdpMid":null}'])
def test_candidates(value: str) -> None:
    """The end of the candidates is not told, and some browsers wait for it."""
    assert relay(f'{{"type":"ice","candidate": {value} }}') == (
        f'{{"type":"ice","from":"sender","candidate":{value}}}'.encode()
    )


@pytest.mark.parametrize("value", ['""', '"candidate:1"', "7", "true", "false", "[]", "[{}]"])
def test_candidates_of_the_wrong_type(value: str) -> None:
    """A partner's page gets something that its browser cannot take."""
    error = refused(f'{{"type":"ice","candidate":{value}}}')
    assert (error.code, "candidate" in error.message) == (ErrorCode.INVALID_FORMAT, True)


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "x",
        "{",
        "}",
        "null",
        "7",
        "true",
        '"ping"',
        "[]",
        '[{"type":"ping"}]',
        "{}",
        '{"type":null}',
        '{"type":7}',
        '{"type":["ping"]}',
        '{"type":{"type":"ping"}}',
        '{"Type":"ping"}',
        '{"type":"ping"}x',
        '{"type":"ping"}{"type":"ping"}',
        '{"type":"ping",}',
        "{'type':'ping'}",
        '{type:"ping"}',
        '\ufeff{"type":"ping"}',
        '{"type":"offer"}',
        '{"type":"answer"}',
        '{"type":"ice"}',
        '{"type":"offer","candidate":{}}',
        '{"type":"ice","sdp":"x"}',
    ],
)
def test_invalid_format(text: str) -> None:
    """A page with a mistake is not told of it, or the daemon takes it for its own."""
    assert refused(text).code is ErrorCode.INVALID_FORMAT


@pytest.mark.parametrize(
    "kind",
    ["", "PING", "ping ", "matched", "ready", "pong", "error", "partner-left", "constructor", "x" * 1000, "\u0000"],
)
def test_unknown_type(kind: str) -> None:
    """A newer client does not learn that this server is older."""
    error = refused(json.dumps({"type": kind, "sdp": {}, "candidate": {}}))
    assert error.code is ErrorCode.UNKNOWN_TYPE


@pytest.mark.parametrize(
    "value",
    [
        *(r'"\x"', r'"\u12"', r'"\uZZZZ"', '"a\x01b"', '"a\nb"', '"', "01", "1.", "-", "1e", ".5", "+1", "NaN"),
        *("Infinity", "tru", "[1,]", '{"a":1,}', "{a:1}", "'a'", '{"a"}', "[1 2]", "1-1", "[1]]", "{1:2}", "\x0b1"),
        *("", "undefined", "1,2", "--1", "1.e5", "0x10", "[", '{"a":', "/*x*/1", "1}", '{"a":1"b":2}'),
    ],
)
@pytest.mark.parametrize("place", ['"sdp":{}', '"sdp":[{{"x":{}}}]', '"sdp":1,"unknown":{}'])
def test_what_is_no_json_is_never_relayed(value: str, place: str) -> None:
    """One client makes its partner's JSON.parse() throw, and its page end."""
    assert refused('{"type":"offer",' + place.format(value) + "}").code is ErrorCode.INVALID_FORMAT


def nested(depth: int, opening: str = "[", closing: str = "]") -> str:
    """A message of which the deepest array stands at `depth`; the message itself is 1."""
    return '{"type":"offer","sdp":' + opening * (depth - 1) + closing * (depth - 1) + "}"


@pytest.mark.parametrize("shape", [("[", "]"), ('{"a":', "}")])
def test_nesting(shape: tuple[str, str]) -> None:
    """A partner's parser runs out of stack, or the daemon's own does."""
    opening, closing = shape
    inner = "" if opening == "[" else "1"
    fits = nested(MAX_NESTING, opening, closing).replace(opening + closing, opening + inner + closing, 1)
    assert isinstance(parse(fits), Offer)
    for depth in (MAX_NESTING + 1, MAX_NESTING + 2, 500, 10_000):
        text = nested(depth, opening, closing).replace(opening + closing, opening + inner + closing, 1)
        error = refused(text)
        assert (error.code, "nested" in error.message) == (ErrorCode.INVALID_FORMAT, True)


def test_brackets_that_do_not_nest() -> None:
    """An SDP with many brackets in its text, or a long list of candidates, is refused."""
    assert relay('{"type":"offer","sdp":"' + "[{" * 500 + '"}').count(b"[{") == 500
    assert relay('{"type":"offer","sdp":"' + '\\"[' * 500 + '"}').count(b"[") == 500
    assert relay('{"type":"offer","sdp":[' + ",".join(["[{}]"] * 500) + "]}").count(b"[{}]") == 500


def test_errors_do_not_repeat_what_was_sent() -> None:
    """A token or an address ends in a log through the error that it is in."""
    for text in (
        '{"type":"SECRET"}',
        '{"type":"auth","token":["SECRET"]}',
        '{"type":"auth","SECRET":1,"userId":2}',
        '{"type":"ice","candidate":"SECRET"}',
        "SECRET",
    ):
        assert "SECRET" not in refused(text).message


# --- byte for byte ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [
        '"größer \U0001f600 \u2028\u2029 \x7f"',
        r'"\u00e9\/\b\f\n\r\t\"\\ \u0000 \ud83d\ude00"',
        "123456789012345678901234567890",
        "1e400",
        "-0.0",
        "0.1000000000000000055511151231257827",
        '{"b":1,"a":2,"b":3,"":4}',
        '{ "spaced" : [ 1 , 2 ] }',
        '{"__proto__":{"x":1}}',
        '"v=0\\r\\no=- 1 2 IN IP4 127.0.0.1\\r\\n"',
    ],
)
def test_byte_for_byte(payload: str) -> None:
    """What a browser wrote arrives changed: another number, another key, another character."""
    assert relay('{"type":"offer","sdp":' + payload + "}") == (
        b'{"type":"offer","from":"sender","sdp":' + payload.encode() + b"}"
    )


def test_from_is_the_servers_word() -> None:
    """Somebody speaks in another one's name."""
    text = relay('{"from":"x","type":"offer","from":"y","sdp":{"from":"z"},"from":"w"}')
    assert text == b'{"type":"offer","from":"sender","sdp":{"from":"z"}}'


def test_of_duplicate_fields_the_last_counts() -> None:
    """The daemon checks one value and relays another."""
    assert relay('{"type":"offer","sdp":1,"sdp":2}').endswith(b'"sdp":2}')
    assert refused('{"type":"ice","candidate":{},"candidate":7}').code is ErrorCode.INVALID_FORMAT
    assert relay('{"type":"ice","candidate":7,"candidate":{}}').endswith(b'"candidate":{}}')


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(json_values, st.booleans(), st.sampled_from([None, 1]), st.sampled_from(["offer", "answer"]))
def test_any_payload_is_relayed_untouched(value: object, ascii_only: bool, indent: int | None, kind: str) -> None:
    """As `test_byte_for_byte`, for what nobody thought of."""
    payload = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    try:
        payload.decode()
    except UnicodeDecodeError:
        return
    text = b'{"type":"%b","sdp":%b,"x":0}' % (kind.encode(), payload)
    if b"\\ud" in payload.lower() or payload.count(b"[") + payload.count(b"{") >= MAX_NESTING:
        return
    assert relay(text) == b'{"type":"%b","from":"sender","sdp":%b}' % (kind.encode(), payload)


@given(st.text(max_size=60) | st.text('{}[]":,\\ue0123456789.-+truefalsn ', max_size=40))
@example('"\\ud800"')
def test_a_relay_is_json_or_refused(payload: str) -> None:
    """As `test_what_is_no_json_is_never_relayed`, for what nobody thought of."""
    try:
        signal = parse('{"type":"offer","sdp":' + payload.encode("utf-8", "replace").decode() + "}")
    except ProtocolError as problem:
        assert problem.code in {ErrorCode.INVALID_FORMAT, ErrorCode.UNKNOWN_TYPE}
        return
    if not isinstance(signal, Signal):
        return  # the payload brought a type of its own
    text = messages.relayed(HEADS, signal)
    received = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert list(received) in (["type", "from", "sdp"], ["type", "from", "candidate"])
    assert received["from"] == "sender"


@given(st.binary(max_size=80) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace")))
def test_nothing_else_is_raised(text: bytes) -> None:
    """Some input ends the connection as a bug in place of being answered."""
    try:
        messages.parse(text)
    except ProtocolError as problem:
        assert problem.message


# --- what the server says ---------------------------------------------------------------------------------------------


def test_server_messages() -> None:
    """A client of the old server does not find a field."""
    assert json.loads(messages.ready(SENDER)) == {"type": "ready", "clientId": "sender"}
    assert json.loads(messages.matched(RoomId("r"), ClientId("p"), initiator=True)) == {
        "type": "matched",
        "roomId": "r",
        "partnerId": "p",
        "initiator": True,
    }
    assert json.loads(messages.PARTNER_LEFT) == {"type": "partner-left"}
    assert json.loads(messages.PONG) == {"type": "pong"}
    assert json.loads(messages.error(ProtocolError(ErrorCode.RATE_LIMIT, "why"))) == {
        "type": "error",
        "code": "RATE_LIMIT",
        "message": "why",
    }


def test_error_codes() -> None:
    """A client that tells errors apart by their code meets one that it does not know."""
    assert {code.value for code in ErrorCode} == {
        "INVALID_FORMAT",
        "UNKNOWN_TYPE",
        "NOT_PAIRED",
        "ALREADY_PAIRED",
        "RATE_LIMIT",
        "AUTH_REQUIRED",
        "AUTH_FAILED",
        "CHALLENGE_REQUIRED",
        "CHALLENGE_FAILED",
        "CROWDED",
        "RESUME_FAILED",
        "PARTNER_CANNOT",
        "FULL",
        "TOO_MANY",
        "TOO_MANY_OF_USER",
        "BANNED",
    }


@given(st.text(min_size=1, max_size=30).filter(lambda text: text.isprintable()))
def test_any_sender_is_quoted(sender: str) -> None:
    """An id with a quote in it breaks the message, or adds fields to it."""
    heads = messages.relay_heads(ClientId(sender))
    signal = parse('{"type":"ice","candidate":{}}')
    assert isinstance(signal, Ice)
    assert json.loads(messages.relayed(heads, signal)) == {"type": "ice", "from": sender, "candidate": {}}
