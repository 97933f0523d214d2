"""Whom the load tool loads, and that it asks before."""

import io
import os
import pty
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import pytest

from signald.load.consent import NoConsent, ask
from signald.load.target import Target, parse_tokens, parse_url, trust


@contextmanager
def terminal(typed: str) -> Iterator[TextIO]:
    """Somebody sits there, and types this and Ctrl-D."""
    theirs, ours = pty.openpty()
    with os.fdopen(ours, encoding="utf-8") as answers:
        os.write(theirs, typed.encode() + b"\x04")
        yield answers
    os.close(theirs)


def target(host: str) -> Target:
    return Target(url=f"wss://{host}/ws", host=host, trust=None)


def asked(host: str, answers: TextIO, *, yes: bool = False) -> str:
    questions = io.StringIO()
    ask(target(host), "1000 calls, 50 a second,", yes=yes, answers=answers, questions=questions)
    return questions.getvalue()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_this_machine_needs_no_consent(host: str) -> None:
    """Each try of a developer has to be confirmed."""
    assert asked(host, io.StringIO()) == ""


@pytest.mark.parametrize("host", ["example.org", "192.0.2.1", "localhost.example.org", "127.0.0.1.example.org", "::2"])
def test_another_machine_is_asked_for(host: str) -> None:
    """A typing error becomes an attack on somebody else's service."""
    with terminal(f"{host}\n") as answers:
        said = asked(host, answers)
    assert f"1000 calls, 50 a second, on {host}" in said
    for answer in ("", "\n", "y\n", "yes\n", f"not {host}\n"):
        with terminal(answer) as answers, pytest.raises(NoConsent, match="nothing was done"):
            asked(host, answers)


def test_nobody_there_to_ask() -> None:
    """A cron job loads a service of which nobody has thought; or a pipeline cannot load one at all."""
    with pytest.raises(NoConsent, match="--yes"):
        asked("example.org", io.StringIO("example.org\n"))
    assert asked("example.org", io.StringIO(), yes=True) == ""


@pytest.mark.parametrize(
    ("text", "url", "host"),
    [
        ("wss://example.org", "wss://example.org/ws", "example.org"),
        ("ws://[::1]:8080/", "ws://[::1]:8080/ws", "::1"),
        ("wss://Example.org:444/chat/ws?a=b", "wss://Example.org:444/chat/ws?a=b", "example.org"),
    ],
)
def test_addresses(text: str, url: str, host: str) -> None:
    """Another path or port is loaded than the one that was named."""
    assert parse_url(text) == (url, host)


@pytest.mark.parametrize(
    "text", ["https://example.org", "example.org", "wss://", "wss://a/ws#x", "wss://u:p@a/", "ws://a:b/"]
)
def test_what_is_no_address(text: str) -> None:
    """The run begins, and each call fails for a reason that is hard to understand."""
    with pytest.raises(ValueError, match=r"no address|fragment or a password|Port"):
        parse_url(text)


def test_certificates_are_checked() -> None:
    """Tokens go to whoever stands between."""
    assert trust("", verify=True).verify_mode is ssl.CERT_REQUIRED
    assert trust("", verify=True).check_hostname
    assert trust("", verify=False).verify_mode is ssl.CERT_NONE


def test_authorities_that_are_none(tmp_path: Path) -> None:
    """The operator gets a traceback for a file with a wrong name."""
    (tmp_path / "empty.pem").write_text("")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(ValueError, match=f"--ca-file .*{name}"):
            trust(str(tmp_path / name), verify=True)


def test_tokens_are_shown_in_turn() -> None:
    """All clients are one user, who may have ten connections."""
    tokens = parse_tokens("a.b.c\n\n  d.e.f \n")
    shown = Target(url="ws://a/ws", host="a", trust=None, tokens=tokens, origin="https://example.org")
    offered = [dict(shown.headers(number)) for number in range(3)]
    assert [headers["Sec-WebSocket-Protocol"] for headers in offered] == [
        "signald.v1, bearer.a.b.c",
        "signald.v1, bearer.d.e.f",
        "signald.v1, bearer.a.b.c",
    ]
    assert offered[0]["Origin"] == "https://example.org"
    assert "Origin" not in dict(target("a").headers(0))


@pytest.mark.parametrize("text", ["", "\n", "a.b.c\nd e\n", "a.b.c\r\nX-Evil: 1", "ä.b.c", "a.b.c\n", "a.b.c\na.b.c"])
def test_what_are_no_tokens(text: str) -> None:
    """A line of another file becomes a header of each handshake; or a user alone waits for itself in each call."""
    with pytest.raises(ValueError, match="--tokens"):
        parse_tokens(text)
