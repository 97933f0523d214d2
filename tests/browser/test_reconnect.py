"""The server, or the way to the partner, goes and comes back under open pages."""

import signal
from collections.abc import Callable

from .conftest import Daemon, Open, in_call

OUT_OF_REACH = ["WebSocket connection to .* failed", "ERR_CONNECTION_REFUSED"]


def test_pages_that_wait_come_back_after_a_restart(daemon_with: Callable[..., Daemon], open_page: Open) -> None:
    """Else each deployment leaves every waiting user in a queue that no longer exists."""
    daemon, a, b = daemon_with(), open_page(), open_page()
    a.expected_errors = b.expected_errors = OUT_OF_REACH
    a.start(daemon.url)
    a.reach("waiting")
    daemon.stop()
    a.reach("reconnecting")
    assert "out of reach" in a.text("status")
    daemon.start()
    a.reach("waiting")
    b.start(daemon.url)
    in_call(a, b)


def test_two_in_a_call_can_go_on_after_a_restart(daemon_with: Callable[..., Daemon], open_page: Open) -> None:
    """Else each deployment leaves the two users of every call unable to go on."""
    daemon, a, b = daemon_with("--rematch-delay-seconds", "0"), open_page(), open_page()
    a.expected_errors = b.expected_errors = OUT_OF_REACH
    a.start(daemon.url)
    b.start(daemon.url)
    in_call(a, b)
    daemon.stop()
    daemon.start()
    a.until(lambda: daemon.clients == 2, "both pages back at the server")
    in_call(a, b)
    a.write("before next")
    b.receives("before next")
    a.click("next")
    # Nobody else is there, so the two meet again, and a new call has an empty chat.
    a.until(lambda: not a.messages("you") and not b.messages("partner"), "a new call")
    in_call(a, b)
    b.write("here we are again")
    a.receives("here we are again")


def test_a_call_outlives_a_crash_of_the_server(daemon_with: Callable[..., Daemon], open_page: Open) -> None:
    """Else a crash cuts every call, though picture and sound never pass through the server."""
    daemon, a, b = daemon_with("--rematch-delay-seconds", "0"), open_page(), open_page()
    a.expected_errors = b.expected_errors = OUT_OF_REACH
    a.start(daemon.url)
    b.start(daemon.url)
    in_call(a, b)
    daemon.stop(signal.SIGKILL)
    a.write("still there?")
    b.receives("still there?")
    daemon.start()
    a.until(lambda: daemon.clients == 2, "both pages back at the server")
    in_call(a, b)
    assert a.messages("you") == ["still there?"]
    # The server knows of no room: leaving shows in the call itself.
    a.click("leave")
    b.reach("waiting")


def test_reconnects_spread_out(daemon: Daemon, open_page: Open) -> None:
    """Else all users of a restarted server come back in the same instant and take it down again."""
    page = open_page()
    page.open(daemon.url)
    delays = page.driver.execute_async_script(
        """const done = arguments[0];
        import("/static/backoff.js").then(({ pauseMs }) =>
          done([1, 2, 3, 20].map((attempt) => [pauseMs(attempt, { random: 0 }), pauseMs(attempt, { random: 1 })])));"""
    )
    assert delays == [[0, 500], [0, 1000], [0, 2000], [0, 15000]]


def test_a_call_mends_itself_after_an_interruption(daemon: Daemon, open_page: Open) -> None:
    """Else a train in a tunnel ends the call for good."""
    a, b = open_page(), open_page()
    a.start(daemon.url)
    b.start(daemon.url)
    in_call(a, b)
    with b.frozen():
        a.reach("interrupted")
        assert "mending" in a.text("status")
    in_call(a, b)
    assert not a.messages("page")
