"""What a client is told of STUN and TURN servers."""

import base64
import hashlib
import hmac

import msgspec
import pytest
from msgspec import UNSET

from signald.core import ice, messages
from signald.core.ice import IceServers
from signald.core.ids import ClientId, RoomId
from signald.core.messages import IceServer

CLIENT = ClientId("ada")
NOW = 1_800_000_000.9
SECRET = "a secret of some length"


def test_without_servers_nothing_is_said() -> None:
    """An old client gets a field that its author never saw, for no use."""
    assert IceServers().given_to(CLIENT, NOW) is UNSET
    assert messages.ready(CLIENT, UNSET) == b'{"type":"ready","clientId":"ada"}'
    assert (
        messages.matched(RoomId("r"), CLIENT, initiator=True)
        == b'{"type":"matched","roomId":"r","partnerId":"ada","initiator":true}'
    )


def test_a_list_of_urls() -> None:
    """The short way to write it is refused, or makes something else of it."""
    assert ice.parse(" stun:a.example , turn:[2001:db8::1]:3478?transport=tcp,turns:192.0.2.1, ") == (
        IceServer(["stun:a.example"]),
        IceServer(["turn:[2001:db8::1]:3478?transport=tcp"]),
        IceServer(["turns:192.0.2.1"]),
    )
    assert ice.parse("") == ()


def test_json_as_browsers_have_it() -> None:
    """An operator cannot use what the provider of a TURN server shows for copying."""
    text = """[{"urls": "stun:a"}, {"urls": ["turn:b:3478", "turns:b?transport=tcp"],
        "username": "u", "credential": "c", "credentialType": "password"}]"""
    assert ice.parse(text) == (
        IceServer(["stun:a"]),
        IceServer(["turn:b:3478", "turns:b?transport=tcp"], "u", "c"),
    )


def test_no_password_in_an_error() -> None:
    """A slip in the settings writes a password into the log."""
    for text in ('[{"urls":"turn:a","credential":"hunter2"}]', '[{"urls":"hunter2"}]', '[{"urls":hunter2}]', "hunter2"):
        with pytest.raises(ValueError, match=r"must|names") as caught:
            ice.parse(text)
        assert "hunter2" not in str(caught.value)


def test_what_coturn_takes() -> None:
    """The TURN server refuses every client."""
    servers = IceServers(ice.parse("stun:a,turn:a"), SECRET, 600)
    stun, turn = servers.given_to(CLIENT, NOW) or []
    assert stun == IceServer(["stun:a"])
    assert turn.username == "1800000600:ada"
    digest = hmac.new(SECRET.encode(), b"1800000600:ada", hashlib.sha1).digest()
    assert turn.credential == base64.b64encode(digest).decode()


def test_a_server_with_a_password_keeps_it() -> None:
    """The provider's server is given a password made from our secret, and refuses it."""
    text = '[{"urls":"turn:a","username":"u","credential":"c"},{"urls":["stun:b","turn:b"]}]'
    one, other = IceServers(ice.parse(text), SECRET, 600).given_to(CLIENT, NOW) or []
    assert (one.username, one.credential) == ("u", "c")
    assert other.username == "1800000600:ada"


def test_the_form_in_messages() -> None:
    """A browser does not take the field as it stands in `ready` and `matched`."""
    given = IceServers(ice.parse("stun:a")).given_to(CLIENT, NOW)
    for text in (
        messages.ready(CLIENT, given),
        messages.matched(RoomId("r"), CLIENT, initiator=True, ice_servers=given),
    ):
        assert msgspec.json.decode(text)["iceServers"] == [{"urls": ["stun:a"]}]
