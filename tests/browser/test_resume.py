"""A lost connection to the server is not a partner who left: a call, and a place in the queue, outlive it."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.operator import TOKEN
from tests.support.proxy import Proxy
from tests.support.redis import RedisServer

from .conftest import Daemon, Open, Page, in_call
from .test_reconnect import OUT_OF_REACH

LONGEST_GAP_S = 3
"""Between two pictures of a call that goes on, beyond what the pages' own timers are late; an idle machine shows 0.2 s,
the pace of the camera. A busy one shows a second also when nothing happens: that no packet was lost tells more."""

REMEMBER = """
window.calls = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...args) { super(...args); calls.push(this); }
};
"""
"""Before the page's own scripts, so that its calls can be asked."""

PACKETS_LOST = """
const done = arguments[0];
calls.at(-1).getStats().then((stats) => {
  const video = [...stats.values()].find(({ type, kind }) => type === "inbound-rtp" && kind === "video");
  done(video.packetsLost);
});
"""

WATCH = """
const video = document.getElementById("remote-video");
window.seen = { states: [], gap: 0, late: 0, pictures: 0, stream: video.srcObject };
let last = performance.now();
let ticked = last;
setInterval(() => {
  const now = performance.now();
  seen.late = Math.max(seen.late, now - ticked);
  ticked = now;
}, 100);
video.requestVideoFrameCallback(function picture(now) {
  seen.gap = Math.max(seen.gap, now - last);
  seen.pictures += 1;
  last = now;
  video.requestVideoFrameCallback(picture);
});
document.addEventListener("visibilitychange", () => (last = performance.now())); // What is hidden is not painted.
new MutationObserver(() => seen.states.push(document.body.dataset.state)).observe(document.body, {
  attributeFilter: ["data-state"],
});
"""


def _daemon(daemon_with: Callable[..., Daemon]) -> Daemon:
    """One whose sessions outlive it, on which two who part can meet again at once."""
    return daemon_with(ADMIN_TOKEN=TOKEN, RESUME_SECRET="a secret of these tests", REMATCH_DELAY_SECONDS="0")


def _clients(daemon: Daemon) -> dict[str, str]:
    """What the server says of everybody: state by client id."""
    status, answer = daemon.operator().ask("GET", "/clients")
    assert status == 200
    return {client["clientId"]: client["state"] for client in answer["clients"]}


def _call(daemon: Daemon, a: Page, b: Page, way_of_a: str) -> dict[str, str]:
    """Two pages in a call, watched; gives what the server says of them."""
    a.start(way_of_a)
    b.start(daemon.url)
    in_call(a, b)
    for page in (a, b):
        page.js(WATCH)
    return _clients(daemon)


def _unimpaired(daemon: Daemon, a: Page, b: Page, before: dict[str, str]) -> None:
    """Nothing of it was to be seen, and everything that needs the server works."""
    a.until(lambda: _clients(daemon) == before, "both as they were for the server")
    late_ms = sum(page.js("return seen.late") for page in (a, b))
    for page in (a, b):
        pictures = page.js("return seen.pictures")
        page.until(lambda page=page, pictures=pictures: page.js("return seen.pictures") > pictures + 3, "more pictures")  # type: ignore[misc]
        assert page.js("return seen.states") == []
        assert page.js("return document.getElementById('remote-video').srcObject === seen.stream")
        assert page.js("return seen.gap") < LONGEST_GAP_S * 1000 + late_ms
        assert page.driver.execute_async_script(PACKETS_LOST) == 0
        assert page.messages("page") == []
        # The server knows whom this one has met.
        assert page.driver.find_element("id", "report").is_enabled()
    a.write("still here")
    b.receives("still here")
    a.click("next")
    # Nobody else is there, so the two meet again, and a new call has an empty chat.
    a.until(lambda: not a.messages("you") and not b.messages("partner"), "a new call")
    in_call(a, b)
    b.write("and again")
    a.receives("and again")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RedisServer]:
    """An empty redis-server."""
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture
def two(open_page: Open) -> Iterator[tuple[Page, Page]]:
    a, b = open_page(), open_page()
    for page in (a, b):
        page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": REMEMBER})
    a.expected_errors = b.expected_errors = [*OUT_OF_REACH, "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET"]
    yield a, b


@pytest.mark.parametrize("reset", [False, True])
def test_a_cut_connection_is_not_noticed(
    daemon_with: Callable[..., Daemon], two: tuple[Page, Page], reset: bool
) -> None:
    """Else each change of network, and each proxy that restarts, ends a call that was fine."""
    daemon, (a, b) = _daemon(daemon_with), two
    with Proxy(daemon.port) as proxy:
        before = _call(daemon, a, b, f"http://127.0.0.1:{proxy.port}/")
        assert proxy.cut(reset=reset)
        a.until(lambda: proxy.connections, "another connection")
        _unimpaired(daemon, a, b, before)


def test_a_black_hole_is_not_noticed(daemon_with: Callable[..., Daemon], two: tuple[Page, Page]) -> None:
    """Else a lift or a tunnel ends a call between two phones that reach each other on another way."""
    daemon, (a, b) = _daemon(daemon_with), two
    with Proxy(daemon.port) as proxy:
        before = _call(daemon, a, b, f"http://127.0.0.1:{proxy.port}/")
        proxy.lose("up", "down")
        a.js("dispatchEvent(new Event('online'))")  # As browsers tell it when the network is another.
        a.until(lambda: proxy.connections > 1, "an attempt that is swallowed")
        proxy.lose()
        a.until(lambda: "away" not in _clients(daemon).values() and proxy.connections == 1, "another connection")
        _unimpaired(daemon, a, b, before)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_is_not_noticed(
    daemon_with: Callable[..., Daemon], two: tuple[Page, Page], how: signal.Signals
) -> None:
    """Else each deployment, and each crash, throws all callers out, though no picture passes through the server."""
    daemon, (a, b) = _daemon(daemon_with), two
    before = _call(daemon, a, b, daemon.url)
    daemon.stop(how)
    daemon.start()
    _unimpaired(daemon, a, b, before)


@pytest.mark.parametrize("how", [None, signal.SIGTERM, signal.SIGKILL])
def test_a_move_to_another_instance_is_not_noticed(
    daemon_with: Callable[..., Daemon], two: tuple[Page, Page], store: RedisServer, how: signal.Signals | None
) -> None:
    """Else every rolling deployment, and every balancer that thinks again, ends the calls that go through it."""
    (a, b), settings = two, {"REDIS_URL": store.url, "ADMIN_TOKEN": TOKEN, "REMATCH_DELAY_SECONDS": "0"}
    first, second = daemon_with(**settings), daemon_with(**settings)
    with Proxy(first.port) as balancer:
        before = _call(second, a, b, f"http://127.0.0.1:{balancer.port}/")
        balancer.redirect(second.port)
        if how is None:
            assert balancer.cut()
        else:
            first.stop(how)
        a.until(lambda: balancer.connections, "another connection")
        _unimpaired(second, a, b, before)


def test_next_while_the_server_is_away_is_done_when_it_is_back(
    daemon_with: Callable[..., Daemon], two: tuple[Page, Page]
) -> None:
    """Else the button does nothing, or the page and the server disagree on who is with whom."""
    daemon, (a, b) = _daemon(daemon_with), two
    _call(daemon, a, b, daemon.url)
    a.write("before")
    b.receives("before")
    daemon.stop()
    a.click("next")
    a.reach("waiting", "reconnecting")
    daemon.start()
    b.until(lambda: not b.messages("partner"), "a new call")
    in_call(a, b)


def test_a_reload_meets_the_same_partner(
    daemon_with: Callable[..., Daemon], open_page: Open, two: tuple[Page, Page]
) -> None:
    """Else a wrong key, or a pull too far on a phone, loses the partner for good."""
    daemon, (a, b), c = _daemon(daemon_with), two, open_page()
    before = _call(daemon, a, b, daemon.url)
    c.start(daemon.url)
    a.click("mute")
    for page in (a, b):  # Whoever of them is to offer.
        page.driver.refresh()
        in_call(a, b)
        assert before.items() <= _clients(daemon).items()
    assert b.messages("page") == []
    assert a.driver.find_element("id", "mute").get_attribute("aria-pressed") == "true"
    assert c.state == "waiting"
    a.write("once more")
    b.receives("once more")
    a.click("next")
    a.until(lambda: a.state == "connected" and c.state == "connected", "the one who waited")


def test_another_tab_does_not_take_the_call(daemon_with: Callable[..., Daemon], two: tuple[Page, Page]) -> None:
    """Else whoever copies the tab of a call loses it: the copy has the storage of the first."""
    daemon, (a, b) = _daemon(daemon_with), two
    before = _call(daemon, a, b, daemon.url)
    first = a.driver.current_window_handle
    a.js("window.open(location.href)")
    a.until(lambda: len(a.driver.window_handles) == 2, "a copy of the tab")
    (copy,) = set(a.driver.window_handles) - {first}
    a.driver.switch_to.window(copy)
    a.driver.refresh()
    assert a.state == "idle"
    a.click("start")
    a.reach("waiting")
    a.click("leave")
    a.driver.close()
    a.driver.switch_to.window(first)
    _unimpaired(daemon, a, b, before)


def test_a_short_sleep_ends_no_call(daemon_with: Callable[..., Daemon], two: tuple[Page, Page]) -> None:
    """Else whoever closes the lid for a moment has lost the partner, though both are there again."""
    daemon = daemon_with(ADMIN_TOKEN=TOKEN, HEARTBEAT_SECONDS="1", REMATCH_DELAY_SECONDS="0")
    a, b = two
    before = _call(daemon, a, b, daemon.url)
    with b.frozen():
        a.until(lambda: "away" in _clients(daemon).values(), "a server that has noticed")
    a.until(lambda: _clients(daemon) == before, "both as they were for the server")
    in_call(a, b)
    assert b.js("return document.getElementById('remote-video').srcObject === seen.stream")
    b.write("awake")
    a.receives("awake")
    b.click("next")
    a.until(lambda: not a.messages("partner"), "a new call")
    in_call(a, b)


def test_a_look_at_another_page_and_back_ends_no_call(
    daemon_with: Callable[..., Daemon], two: tuple[Page, Page]
) -> None:
    """Else a link followed by mistake loses the partner, though Back was pressed at once."""
    daemon, (a, b) = _daemon(daemon_with), two
    before = _call(daemon, a, b, daemon.url)
    a.driver.get("data:text/html,another page")
    a.driver.back()
    in_call(a, b)
    assert before.items() <= _clients(daemon).items()
    a.write("back again")
    b.receives("back again")


def test_who_slept_for_too_long_meets_somebody_again(
    daemon_with: Callable[..., Daemon], two: tuple[Page, Page]
) -> None:
    """Else a laptop that is opened again shows a dead picture, and its owner is searched for by nobody."""
    daemon = daemon_with(RESUME_SECONDS="1", HEARTBEAT_SECONDS="1", REMATCH_DELAY_SECONDS="0")
    a, b = two
    a.start(daemon.url)
    b.start(daemon.url)
    in_call(a, b)
    b.js(WATCH)
    with b.frozen():
        a.reach("waiting")
        a.until(lambda: daemon.clients == 1, "a server that has given up the one who sleeps")
    another = (
        "const now = document.getElementById('remote-video').srcObject; return now !== null && now !== seen.stream"
    )
    b.until(lambda: b.js(another), "another call")
    in_call(a, b)
