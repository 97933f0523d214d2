"""A camera that is refused, missing, or comes later."""

import pytest

from .conftest import ALLOWED, CAMERA, NO_CAMERA, REFUSED, Daemon, Open


@pytest.mark.parametrize("receive_only_comes_first", [True, False])
def test_refused_camera_goes_on_receive_only(daemon: Daemon, open_page: Open, receive_only_comes_first: bool) -> None:
    """Else who refuses the camera gets no call, or no word about why nobody sees them."""
    shy, other = open_page(CAMERA, REFUSED), open_page()
    for page in (shy, other) if receive_only_comes_first else (other, shy):
        page.start(daemon.url)
    shy.sees_partner()
    other.reach("connected")
    assert "blocked" in shy.text("notice-text")
    assert "You can see, hear and write" in shy.text("notice-text")
    assert other.text("headline") == "No picture from your partner"
    assert not shy.driver.find_element("id", "mute").is_enabled()
    shy.write("no camera, but words")
    other.receives("no camera, but words")


def test_two_without_camera_still_write(daemon: Daemon, open_page: Open) -> None:
    """Else two people without a camera cannot even exchange text."""
    a, b = open_page(CAMERA, REFUSED), open_page(CAMERA, REFUSED)
    a.start(daemon.url)
    b.start(daemon.url)
    a.write("can you read me?")
    b.receives("can you read me?")


def test_a_machine_without_camera_is_heard(daemon: Daemon, open_page: Open) -> None:
    """Else a desktop without a camera shows an error name, or gives up its microphone too."""
    bare, other = open_page(NO_CAMERA, ALLOWED), open_page()
    bare.start(daemon.url)
    assert bare.text("notice-text") == "Your camera did not start: your partner hears you, but cannot see you."
    other.start(daemon.url)
    bare.sees_partner()
    other.hears_partner()
    assert other.text("headline") == "No picture from your partner"
    bare.click("dismiss-notice")
    assert not bare.driver.find_element("id", "notice").is_displayed()


def test_camera_allowed_in_the_middle_of_a_call_reaches_the_partner(daemon: Daemon, open_page: Open) -> None:
    """Else who allows the camera late must end the call to be seen."""
    late, other = open_page(CAMERA, REFUSED), open_page()
    late.start(daemon.url)
    other.start(daemon.url)
    late.sees_partner()
    for name in ("camera", "microphone"):
        granted = {"origin": daemon.url, "permission": {"name": name}, "setting": "granted"}
        late.driver.execute_cdp_cmd("Browser.setPermission", granted)
    late.click("retry-media")
    other.sees_partner()
    late.sees_partner()
    assert not late.driver.find_element("id", "notice").is_displayed()
