"""Somebody misbehaves: the other reports it and never meets it again, the operator throws it out."""

import re
import signal
from collections.abc import Callable

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.support.client import Client
from tests.support.operator import TOKEN
from tests.support.service import meet

from .conftest import Daemon, Open, Page, in_call

Moderated = Callable[..., Daemon]


def _moderated(daemon_with: Moderated) -> Daemon:
    """A daemon with an operator, on which two who part can meet again at once."""
    return daemon_with(ADMIN_TOKEN=TOKEN, REMATCH_DELAY_SECONDS="0")


def _clients(daemon: Daemon) -> dict[str, str]:
    """What the server says of everybody: state by client id."""
    status, answer = daemon.operator().ask("GET", "/clients")
    assert status == 200
    return {client["clientId"]: client["state"] for client in answer["clients"]}


def _start(daemon: Daemon, page: Page) -> str:
    """Press Start; gives the id that the server knows this page by."""
    before = _clients(daemon)
    page.start(daemon.url)
    (new,) = _clients(daemon).keys() - before.keys()
    return new


def _open_report(page: Page) -> None:
    page.until(lambda: page.driver.find_element("id", "report").is_enabled(), "a report that can be made")
    page.click("report")
    assert _is_open(page)


def _is_open(page: Page) -> bool:
    return bool(page.js("return document.getElementById('report-dialog').open"))


def _choose(page: Page, reason: str) -> None:
    page.driver.find_element("css selector", f"#report-form [value={reason}]").click()


def _notice(page: Page, *words: str) -> None:
    page.until(lambda: all(word in page.text("notice-text") for word in words), f"a notice with {words}")


def test_who_is_reported_and_blocked_is_not_met_again(daemon_with: Moderated, open_page: Open) -> None:
    """Else nobody hears of what happened to the user, who meets the same person again a moment later."""
    daemon, a, b, c = _moderated(daemon_with), open_page(), open_page(), open_page()
    a_id, b_id = _start(daemon, a), _start(daemon, b)
    in_call(a, b)
    _open_report(a)
    _choose(a, "harassment")
    a.driver.find_element("id", "report-text").send_keys("shouts", Keys.ENTER, "and spits")
    a.click("report-send")
    _notice(a, "Thank you", "not meet this person again")
    (kept,) = daemon.operator().ask("GET", "/reports")[1]["reports"]
    assert f"number {kept['reportId']}" in a.text("notice-text"), "the operator cannot find it"
    daemon.wait_for(f"client {a_id} reports client {b_id} in room")
    assert re.search(r"reports client .*: 'harassment': 'shouts\\nand spits'", daemon.log)
    # Both wait, and nobody else is there.
    a.until(lambda: _clients(daemon) == {a_id: "waiting", b_id: "waiting"}, "both waiting")
    a.reach("waiting")
    b.reach("waiting")
    assert not a.driver.find_element("id", "report").is_enabled()
    c.start(daemon.url)
    c.sees_partner()
    a.until(lambda: sorted((a.state, b.state)) == ["connected", "waiting"], "one with the third, the other waiting")
    talking, alone = (a, b) if a.state == "connected" else (b, a)
    talking.click("next")
    in_call(alone, c)
    assert talking.state == "waiting"


def test_a_report_is_about_who_was_on_the_screen(daemon_with: Moderated, open_page: Open) -> None:
    """Else the one who came while the user wrote is accused and left, and who misbehaved goes free."""
    daemon, a, b, c = _moderated(daemon_with), open_page(), open_page(), open_page()
    a_id, b_id = _start(daemon, a), _start(daemon, b)
    in_call(a, b)
    _open_report(a)
    b.click("leave")
    a.reach("waiting")
    c.start(daemon.url)
    in_call(a, c)
    c.write("nice to meet you")
    a.receives("nice to meet you")
    _choose(a, "nudity")
    a.click("report-send")
    _notice(a, "Thank you")
    daemon.wait_for(f"client {a_id} reports client {b_id} in room")
    a.write("nothing to do with you")
    c.receives("nothing to do with you")
    assert a.messages("partner") == ["nice to meet you"], "not the same call"
    # The one who is there now can be reported, too.
    _open_report(a)


def test_reporting_works_by_keyboard(daemon_with: Moderated, open_page: Open) -> None:
    """Else who cannot use a mouse is left to whoever misbehaves."""
    daemon, a, b = _moderated(daemon_with), open_page(), open_page()
    a_id, b_id = _start(daemon, a), _start(daemon, b)
    in_call(a, b)
    ActionChains(a.driver).key_down(Keys.ALT).send_keys("r").key_up(Keys.ALT).perform()
    assert _is_open(a)
    a.press(Keys.SPACE)
    a.press(Keys.ARROW_DOWN)
    a.press(Keys.TAB)
    a.press("snl")
    a.press(Keys.TAB)
    a.press(Keys.SPACE)  # "Never again" is checked at first.
    a.press(Keys.TAB)
    a.press(Keys.TAB)
    a.press(Keys.ENTER)
    assert not _is_open(a)
    _notice(a, "Thank you")
    assert "again" not in a.text("notice-text")
    daemon.wait_for(f"client {a_id} reports client {b_id} in room")
    assert re.search("reports client .*: 'harassment': 'snl'", daemon.log)
    # Not blocked: with nobody else there, the two meet again.
    in_call(a, b)


def test_a_report_without_a_reason_is_not_sent(daemon: Daemon, open_page: Open) -> None:
    """Else a slip of the finger ends the call and accuses somebody of nothing."""
    a, b = open_page(), open_page()
    a.start(daemon.url)
    assert not a.driver.find_element("id", "report").is_enabled()
    b.start(daemon.url)
    in_call(a, b)
    _open_report(a)
    a.click("report-send")
    assert _is_open(a)
    a.click("report-cancel")
    a.write("still here")
    b.receives("still here")


def test_cancel_does_nothing(daemon_with: Moderated, open_page: Open) -> None:
    """Else who looks at what can be reported has reported it."""
    daemon, a, b = _moderated(daemon_with), open_page(), open_page()
    a.start(daemon.url)
    b.start(daemon.url)
    in_call(a, b)
    for give_up in (lambda: a.click("report-cancel"), lambda: a.press(Keys.ESCAPE)):
        _open_report(a)
        _choose(a, "spam")
        give_up()
        a.until(lambda: not _is_open(a), "a closed dialog")
        assert a.driver.switch_to.active_element.get_attribute("id") == "report"
    a.write("before next")
    b.receives("before next")
    a.click("next")
    # Nobody is blocked, so the two meet again; and what a page sends arrives in its order.
    a.until(lambda: not a.messages("you") and not b.messages("partner"), "a new call")
    in_call(a, b)
    assert "reports client" not in daemon.log
    assert not a.text("notice-text")


def test_a_refused_report_is_told(daemon_with: Moderated, open_page: Open) -> None:
    """Else the user believes that somebody looks into it, and nobody has heard of it."""
    daemon, a, b = _moderated(daemon_with), open_page(), open_page()
    a_id, _ = _start(daemon, a), _start(daemon, b)
    in_call(a, b)
    _open_report(a)
    _choose(a, "minor")
    for _ in range(5):  # More than ten reports in a minute are too many from one address.
        with Client(daemon.port) as one, Client(daemon.port) as other:
            meet(one, other)
            for client in (one, other):
                client.send("report", reason="spam")
            one.send("leave")
            other.expect("partner-left")
            other.send("leave")
            assert one.sync() == other.sync() == []
    a.click("report-send")
    _notice(a, "not taken", "too many")
    assert "Thank you" not in a.text("notice-text")
    assert f"client {a_id} reports" not in daemon.log
    # The user gets away from it all the same.
    a.reach("waiting")
    b.reach("waiting")


def test_a_report_after_the_server_has_forgotten_all(daemon_with: Moderated, open_page: Open) -> None:
    """Else who is insulted after a crash of the server cannot report it, or meets the same one again at once."""
    daemon, a, b = daemon_with(ADMIN_TOKEN=TOKEN, REMATCH_DELAY_SECONDS="600"), open_page(), open_page()
    a.expected_errors = b.expected_errors = ["WebSocket connection to .* failed", "ERR_CONNECTION_REFUSED"]
    a.start(daemon.url)
    b.start(daemon.url)
    a.write("before the report")
    b.receives("before the report")
    _open_report(a)
    daemon.stop(signal.SIGKILL)
    daemon.start()
    a.until(lambda: sorted(_clients(daemon).values()) == ["paired", "paired"], "the two in one room again")
    in_call(a, b)
    assert b.messages("partner") == ["before the report"], "it is not the call of before"
    a.until(lambda: a.driver.find_element("id", "report").is_enabled(), "a report that can be made")
    _choose(a, "nudity")
    a.click("report-send")
    _notice(a, "Thank you")
    daemon.wait_for("reports client")
    a.until(lambda: sorted(_clients(daemon).values()) == ["waiting", "waiting"], "both look for somebody else")
    # They look where everybody does, not in the room of two.
    c = open_page()
    c.start(daemon.url)
    c.sees_partner()


def test_who_is_thrown_out_is_told_and_stays_out(daemon_with: Moderated, open_page: Open) -> None:
    """Else a page that the operator has closed is back a second later, or the user never learns why it went quiet."""
    daemon, a, b = _moderated(daemon_with), open_page(), open_page()
    a_id, b_id = _start(daemon, a), _start(daemon, b)
    in_call(a, b)
    camera = "document.getElementById('local-video').srcObject.getVideoTracks()[0]"
    a.js(
        f"""window.camera = {camera};
        window.sockets = 0;
        window.timers = [];
        window.later = window.setTimeout;
        window.setTimeout = (run) => window.timers.push(run);
        window.WebSocket = class extends WebSocket {{
          constructor(...args) {{
            super(...args);
            window.sockets += 1;
          }}
        }};"""
    )
    _open_report(a)
    assert daemon.operator().ask("DELETE", f"/clients/{a_id}?reason=no%20shouting%20here")[0] == 204
    a.reach("idle")
    _notice(a, "The server has ended your connection: no shouting here")
    assert not _is_open(a)
    assert a.driver.switch_to.active_element.get_attribute("id") == "start"
    assert a.js("return window.camera.readyState") == "ended"
    b.reach("waiting")
    # All that the page has put off happens now, and the network is back, too.
    a.js("for (const run of window.timers.splice(0)) run(); dispatchEvent(new Event('online'));")
    assert a.js("return window.sockets") == 0
    assert a.state == "idle"
    a.until(lambda: _clients(daemon) == {b_id: "waiting"}, "a server that knows only the one who stayed")
    a.js("window.setTimeout = window.later")
    a.click("start")
    in_call(a, b)
    assert not a.text("notice-text")
    assert a.js("return window.sockets") == 1
