"""Whom the user of the page wants to meet: chosen before Start, kept, said to the server, and what came of it shown."""

from collections.abc import Callable

from selenium.webdriver.common.keys import Keys

from .conftest import Daemon, Open, Page, in_call

FORBIDDEN = """Object.defineProperty(window, "localStorage", {
    get() { throw new DOMException("forbidden by the user", "SecurityError"); },
});"""


def _choose(page: Page, likes: str, *languages: str) -> None:
    """By keyboard, as far as there is text."""
    page.driver.find_element("id", "choose").send_keys(Keys.ENTER)
    field = page.driver.find_element("id", "likes")
    field.clear()
    field.send_keys(likes)
    for language in languages:
        page.driver.find_element("css selector", f"#wishes-form [value={language}]").send_keys(Keys.SPACE)
    field.send_keys(Keys.ENTER)
    page.until(lambda: not page.js("return document.getElementById('wishes-dialog').open"), "the choice is taken")


def test_who_likes_the_same_is_told_so(daemon: Daemon, open_page: Open) -> None:
    """Else people choose interests at each visit, are brought together for them, and have to guess for which."""
    a, b = open_page(), open_page()
    a.open(daemon.url)
    _choose(a, "Chess, the  deep sea, chess", "en", "de")
    a.open(daemon.url)
    assert a.text("chosen") == "Chess, the deep sea · English, Deutsch"
    a.click("start")
    a.reach("waiting")
    script = b.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": FORBIDDEN})
    b.open(daemon.url)
    b.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)
    _choose(b, "THE DEEP SEA, chess, go", "de")
    b.click("start")
    in_call(a, b)
    assert a.text("common") == "You both like Chess and the deep sea."
    assert b.text("common") == "You both like THE DEEP SEA and chess."
    b.click("leave")
    a.until(lambda: not a.text("common"), "nothing in common with who has left")


def test_a_link_leads_to_a_room_of_its_own(daemon: Daemon, open_page: Open) -> None:
    """Else who was sent a link by a friend meets a stranger, or sits alone and does not know why."""
    a, b = open_page(), open_page()
    a.open(daemon.url)
    link = str(a.driver.find_element("id", "invite").get_attribute("href"))
    room = link.partition("?pool=")[2]
    assert len(room) == 16
    a.click("invite")
    assert room in a.text("explanation")
    a.click("start")
    a.reach("waiting")
    b.start(daemon.url)
    b.click("leave")
    assert a.state == "waiting", "a stranger came in"
    a.until(lambda: "You have waited" in a.text("explanation"), "word of the wait")
    assert room in a.text("explanation")
    b.open(link)
    b.until(lambda: b.text("online") == "1 person is here now.", "who is in the room, asked again if need be")
    b.click("start")
    in_call(a, b)


def test_a_server_that_knows_none_of_it(daemon_with: Callable[..., Daemon], open_page: Open) -> None:
    """Else somebody waits for ever for what the server has never heard of."""
    daemon = daemon_with(MATCH_KEYS="age")
    page = open_page()
    page.open(daemon.url)
    page.click("choose")
    page.driver.find_element("id", "likes").send_keys(",".join(f"{number}" for number in range(11)), Keys.ENTER)
    assert page.js("return document.querySelector('#likes:invalid') && document.getElementById('wishes-dialog').open")
    page.click("wishes-cancel")
    _choose(page, "chess", "en")
    page.click("start")
    page.until(lambda: "cannot look for what you have chosen" in page.text("notice-text"), "a word about it")
    page.reach("waiting")
    page.until(lambda: daemon.waiting == 1, "the user waits all the same")
