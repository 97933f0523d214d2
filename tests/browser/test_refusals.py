"""Whom the server does not let in is told so, and does not look at a search without end."""

import time
from collections.abc import Callable

from tests.support.operator import TOKEN
from tests.support.tokens import SECRET, sign

from .conftest import Daemon, Open, Page

KNOCK = """
const [protocols, done] = arguments;
const told = [], socket = new WebSocket(location.origin.replace("http", "ws") + "/ws", protocols);
socket.onopen = () => { for (let n = 0; n < 20; n++) socket.send('{"type":"ping"}'); };
socket.onmessage = ({ data }) => { const { type, code } = JSON.parse(data); told.push(code ?? type); };
socket.onclose = ({ code, reason }) => done([...told, code, reason]);
"""
"""A page that speaks as soon as it may, and tells what it was told until the end of its connection."""

NO_SOCKET = ["WebSocket connection to .* failed"]


def _notice(page: Page, *words: str) -> None:
    page.until(lambda: all(word in page.text("notice-text") for word in words), f"a notice with {words}")


def test_who_must_log_in(daemon_with: Callable[..., Daemon], open_page: Open) -> None:
    """Else a page of a server that asks for a token looks for somebody for ever, whatever site sent its user here."""
    daemon, page = daemon_with(AUTH_MODE="required", JWT_SECRET=SECRET), open_page()
    page.open(daemon.url)
    page.click("start")
    _notice(page, "wants to know who you are")
    assert page.state == "idle"
    page.open("about:blank")
    page.open(f"{daemon.url}#token=no.good.one")
    page.click("start")
    _notice(page, "does not accept your login")
    assert page.state == "idle"
    page.open("about:blank")
    page.open(f"{daemon.url}#token={sign({'sub': 'ada', 'exp': time.time() + 600})}")
    assert page.js("return location.hash") == "", "a link that is copied would carry the login along"
    page.click("start")
    page.until(lambda: daemon.waiting == 1, "a user who waits")
    page.reach("waiting")
    assert not page.text("notice-text")


def test_a_page_that_the_server_does_not_take(daemon_with: Callable[..., Daemon], open_page: Open) -> None:
    """Else the operator who forgot an origin sees a server out of reach, and looks for it in the network."""
    daemon, page = daemon_with(ALLOWED_ORIGIN="https://example.org"), open_page()
    page.expected_errors = NO_SOCKET
    page.open(daemon.url)
    page.click("start")
    page.until(lambda: "ALLOWED_ORIGIN" in page.text("explanation"), "a word about it")
    assert page.state == "reconnecting"


def test_who_is_banned_and_who_is_one_too_many(daemon_with: Callable[..., Daemon], open_page: Open) -> None:
    """Else both see a server out of reach: one waits for ever, the other does not close the tab that is too many."""
    daemon, a, b = daemon_with(ADMIN_TOKEN=TOKEN, MAX_CONNECTIONS_PER_ADDRESS="1"), open_page(), open_page()
    a.start(daemon.url)
    b.open(daemon.url)
    b.click("start")
    b.until(lambda: "Too many from your network" in b.text("explanation"), "why it is not let in")
    assert b.state == "reconnecting"
    ban = {"address": "127.0.0.1", "seconds": 600, "reason": "noise"}
    assert daemon.operator().ask("POST", "/bans", ban)[0] == 201
    _notice(b, "You are banned")
    assert b.state == "idle"
    a.reach("idle")


def test_what_a_page_sees_of_a_refusal(daemon_with: Callable[..., Daemon], open_page: Open) -> None:
    """Else a browser hides from every page why it is not let in: full, banned and a bad token are one code, 1006."""
    daemon = daemon_with(AUTH_MODE="optional", JWT_SECRET=SECRET, MAX_CONNECTIONS="1", ADMIN_TOKEN=TOKEN)
    page = open_page()
    page.open(daemon.url)

    def knock(*protocols: str) -> list[object]:
        told: list[object] = page.driver.execute_async_script(KNOCK, ["signald.v1", *protocols])
        return told

    token = knock("bearer.no.good.one")
    assert (token[:3], len(token)) == (["AUTH_FAILED", "goodbye", 4401], 4), token
    page.js("window.held = new WebSocket(location.origin.replace('http', 'ws') + '/ws', ['signald.v1'])")
    page.until(lambda: daemon.clients == 1, "the only place taken")
    assert knock() == ["FULL", "goodbye", 4503, "the server is full"]
    page.js("window.held.close()")
    page.until(lambda: daemon.clients == 0, "the place free again")
    assert daemon.operator().ask("POST", "/bans", {"address": "127.0.0.1", "seconds": 60})[0] == 201
    assert knock() == ["BANNED", "goodbye", 4403, "banned"]
