"""The daemon's main job: strangers meet, see each other, write, and go on to the next."""

from collections.abc import Callable

from .conftest import Daemon, Open, in_call


def test_two_pages_see_and_hear_each_other(daemon: Daemon, open_page: Open) -> None:
    """Without it nobody has a call at all."""
    a, b = open_page(), open_page()
    a.start(daemon.url)
    assert a.state == "waiting"
    assert a.text("status") == "Looking for someone"
    b.start(daemon.url)
    in_call(a, b)
    a.hears_partner()
    b.hears_partner()
    assert a.text("status") == "Connected"


def test_chat_arrives_as_text_and_never_as_html(daemon: Daemon, open_page: Open) -> None:
    """Else a stranger runs code in the user's page, or the text chat is dead."""
    a, b = open_page(), open_page()
    a.start(daemon.url)
    b.start(daemon.url)
    attack = "<img src=x onerror=\"document.title='owned'\"><b>bold</b> &amp; \u00e4\u4f60"
    a.write(attack)
    b.receives(attack)
    assert a.messages("you") == [attack]
    assert b.js("return document.querySelectorAll('#chat-log img, #chat-log b').length") == 0
    b.write("and back")
    a.receives("and back")
    assert "owned" not in b.driver.title


def test_next_brings_someone_else(daemon: Daemon, open_page: Open) -> None:
    """Else Next leaves the user alone, or with the one just left, while someone else waits."""
    a, b, c = open_page(), open_page(), open_page()
    a.start(daemon.url)
    b.start(daemon.url)
    in_call(a, b)
    a.write("from a")
    b.receives("from a")
    c.start(daemon.url)
    c.reach("waiting")
    a.click("next")
    c.sees_partner()
    a.until(lambda: sorted((a.state, b.state)) == ["connected", "waiting"], "one with the third, the other waiting")
    talking, alone = (a, b) if a.state == "connected" else (b, a)
    in_call(talking, c)
    talking.write("hello, third")
    c.receives("hello, third")
    assert c.messages("partner") == ["hello, third"]
    assert alone.state == "waiting"
    assert not alone.driver.find_element("id", "chat-text").is_enabled()


def test_two_tabs_of_one_browser_are_no_company(daemon_with: Callable[..., Daemon], open_page: Open) -> None:
    """Else who opens the page twice while somebody waits looks into its own camera."""
    daemon, a, b, c = daemon_with("--rematch-delay-seconds", "600"), open_page(), open_page(), open_page()
    a.start(daemon.url)
    b.open(daemon.url)
    name = a.js("return localStorage['signald browser']")
    b.js("localStorage['signald browser'] = arguments[0]", name)
    b.start(daemon.url)
    b.until(lambda: daemon.waiting == 2, "two tabs that wait for somebody else")
    c.start(daemon.url)
    c.sees_partner()
    assert sorted((a.state, b.state)) == ["connected", "waiting"]


def test_next_pressed_twice_skips_nobody_unseen(daemon: Daemon, open_page: Open) -> None:
    """Else a double click throws away a stranger who was there for a moment, and who was waiting for long."""
    a, b, c = open_page(), open_page(), open_page()
    a.start(daemon.url)
    b.start(daemon.url)
    in_call(a, b)
    c.start(daemon.url)
    c.reach("waiting")
    # The page's time stands still but for what is said here: a machine that is busy takes longer than any double click.
    a.js("window.time = performance.now(); performance.now = () => window.time")
    a.click("next")
    a.reach("matched", "connected")
    a.js("window.time += 250; document.getElementById('next').click()")
    in_call(a, c)
    assert b.state == "waiting"
    a.js("window.time += 60; document.getElementById('next').click()")
    b.sees_partner()
    a.until(lambda: sorted((a.state, c.state)) == ["connected", "waiting"], "one with the second, the other waiting")


def test_a_partner_who_closes_the_tab_is_replaced(daemon: Daemon, open_page: Open) -> None:
    """Else the user stares at a frozen picture of somebody who is gone."""
    a, b, c = open_page(), open_page(), open_page()
    a.start(daemon.url)
    b.start(daemon.url)
    in_call(a, b)
    b.close()
    a.reach("waiting")
    assert a.messages("page") == ["Your partner left."]
    assert a.js("return document.getElementById('remote-video').srcObject") is None
    c.start(daemon.url)
    in_call(a, c)


def test_a_partner_who_leaves_is_replaced_though_the_server_does_not_requeue(
    daemon_with: Callable[..., Daemon], open_page: Open
) -> None:
    """Else the user waits for ever on a server that runs with REQUEUE_ON_PARTNER_LEAVE=false."""
    daemon = daemon_with("--requeue-on-partner-leave", "false")
    a, b, c = open_page(), open_page(), open_page()
    a.start(daemon.url)
    b.start(daemon.url)
    in_call(a, b)
    b.click("leave")
    a.reach("waiting")
    c.start(daemon.url)
    in_call(a, c)


def test_leave_ends_everything_and_start_begins_anew(daemon: Daemon, open_page: Open) -> None:
    """Else the camera stays on after Leave, or the user is matched while away."""
    a, b = open_page(), open_page()
    a.start(daemon.url)
    b.start(daemon.url)
    in_call(a, b)
    track = "return document.getElementById('local-video').srcObject.getVideoTracks()[0]"
    b.js(f"window.track = (() => {{ {track} }})()")
    b.click("leave")
    a.reach("waiting")
    assert b.state == "idle"
    assert b.js("return window.track.readyState") == "ended"
    b.until(lambda: daemon.clients == 1, "a server that knows only the one who stayed")
    b.click("start")
    in_call(a, b)


def test_mute_and_camera_off_take_effect(daemon: Daemon, open_page: Open) -> None:
    """Else the user is heard and seen while the page says otherwise."""
    a, b = open_page(), open_page()
    a.start(daemon.url)
    b.start(daemon.url)
    in_call(a, b)
    dark = """const video = document.getElementById("remote-video"), canvas = new OffscreenCanvas(32, 32),
            paint = canvas.getContext("2d");
        paint.drawImage(video, 0, 0, 32, 32);
        return paint.getImageData(0, 0, 32, 32).data.every((value, place) => place % 4 === 3 || value < 24);"""
    enabled = "return document.getElementById('local-video').srcObject.getTracks().map((track) => track.enabled)"
    assert not b.js(dark)
    a.click("mute")
    a.click("camera-off")
    assert a.js(enabled) == [False, False]
    assert a.driver.find_element("id", "mute").get_attribute("aria-pressed") == "true"
    b.until(lambda: b.js(dark), "a dark picture of the partner")
    b.until(lambda: b.text("headline") == "Their camera is off", "words in place of a dark picture")
    assert b.text("muted") == "Their microphone is off"
    assert not b.text("common")
    a.click("mute")
    a.click("camera-off")
    assert a.js(enabled) == [True, True]
    b.until(lambda: not b.js(dark), "the partner's picture again")
    b.until(lambda: not b.text("muted") and not b.driver.find_element("id", "headline").is_displayed(), "no words")
