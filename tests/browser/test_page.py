"""The page itself: for keyboard and screen reader, on a phone, under its Content-Security-Policy."""

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from .conftest import Daemon, Open, Page, in_call, resize

SIZES = [(390, 844), (320, 568), (844, 390), (740, 360), (820, 1180), (1280, 800)]
IN_A_CALL = ["next", "leave", "mute", "camera-off", "report", "toggle-chat", "chat-text", "devices"]
FINGER = 44
"""Pixels: what is smaller is missed by a thumb (WCAG 2.2, 2.5.5)."""


def _loaded(page: Page) -> tuple[int, int, int]:
    """How the page came: files over the network, bytes of them, connections made for it."""
    script = """const [page] = performance.getEntriesByType("navigation");
        return [page, ...performance.getEntriesByType("resource")]
            .filter(({ name, transferSize }) => transferSize && !name.endsWith("/online"))
            .map(({ transferSize, connectStart, connectEnd }) => [transferSize, connectEnd > connectStart]);"""
    files = page.js(script)
    return len(files), sum(size for size, _ in files), sum(new for _, new in files)


def _alt(page: Page, key: str) -> None:
    ActionChains(page.driver).key_down(Keys.ALT).send_keys(key).key_up(Keys.ALT).perform()


def _hears_alt_s(page: Page) -> bool:
    """On a starved machine the first key of a page that was just opened got lost once; a user presses it again."""
    _alt(page, "s")
    return page.state != "idle"


def test_loads_little_and_says_what_happens(daemon: Daemon, open_page: Open) -> None:
    """Else it takes seconds on a bad network, at each reload too; or a blind user does not learn who is there."""
    page = open_page()
    page.driver.execute_cdp_cmd("Network.clearBrowserCache", {})
    page.open(daemon.url)
    page.until(lambda: page.js("return performance.getEntriesByName(`${origin}/online`).length"), "all of the page")
    files, size, connections = _loaded(page)
    assert files <= 4
    assert size <= 25_000
    assert connections <= 2
    page.driver.refresh()
    files, size, _ = _loaded(page)
    assert files == 1, "only the page itself is asked for again"
    assert size < 1_000, "and its body is not sent"
    assert page.driver.find_element("id", "status").aria_role == "status"
    assert page.text("status") == "Ready when you are"
    page.click("start")
    page.until(lambda: page.text("status") == "Looking for someone", "words for the new state")
    assert page.driver.title == "Looking for someone \u00b7 signald"


def test_everything_works_by_keyboard(daemon: Daemon, open_page: Open) -> None:
    """Else who cannot use a mouse cannot use the page, or a letter in the chat ends the call."""
    a, b = open_page(), open_page()
    a.open(daemon.url)
    a.until(lambda: _hears_alt_s(a), "Start by a key")
    a.reach("waiting")
    b.start(daemon.url)
    in_call(a, b)
    _alt(a, "m")
    assert a.driver.find_element("id", "mute").get_attribute("aria-pressed") == "true"
    _alt(a, "c")
    assert a.driver.switch_to.active_element.get_attribute("id") == "chat-text"
    _alt(a, "l")
    a.press("snlmv", Keys.ENTER)
    b.until(lambda: any("snlmv" in text for text in b.messages("partner")), "letters that are shortcuts elsewhere")
    assert a.state == "connected"
    a.press(Keys.ESCAPE)
    assert a.driver.switch_to.active_element.get_attribute("id") == "next"
    _alt(a, "l")
    assert a.state == "idle"
    assert a.driver.switch_to.active_element.get_attribute("id") == "start"


def test_fits_every_screen(daemon: Daemon, open_page: Open) -> None:
    """Else the page scrolls sideways on a phone, or a button lies where no finger reaches it."""
    page = open_page()
    page.open(daemon.url)
    for size in SIZES:
        resize(page, *size)
        _all_reachable(page, ["start", "help", "choose", "invite"], *size)
    page.click("choose")
    _dialog_fits(page, "wishes", ["wishes-title", "likes", "wishes-cancel", "wishes-save"])
    page.driver.find_element("id", "likes").send_keys(", ".join(10 * [29 * "w"]))
    page.click("wishes-save")
    page.js("window.fetch = () => Promise.resolve(Response.json({ online: 1000 }))")
    page.until(lambda: page.text("online") == "1000 people are here now.", "how many are here, asked again")
    for size in SIZES:
        resize(page, *size)
        _all_reachable(page, ["start", "choose", "chosen", "invite", "online"], *size)
    page.click("start")
    page.reach("waiting")
    if page.js("return document.body.dataset.chat") == "closed":
        page.click("toggle-chat")
    for size in SIZES:
        resize(page, *size)
        _all_reachable(
            page, ["next", "leave", "mute", "camera-off", "report", "toggle-chat", "chat-text", "devices"], *size
        )
    page.click("devices")
    _dialog_fits(page, "devices", ["devices-title", "camera", "microphone", "devices-close"])
    page.click("devices-close")
    page.js("document.getElementById('report-dialog').showModal()")
    _dialog_fits(page, "report", ["report-title", "report-text", "report-cancel", "report-send"])


def _dialog_fits(page: Page, name: str, controls: list[str]) -> None:
    for size in SIZES:
        resize(page, *size)
        _all_reachable(page, controls[-2:], *size)  # What ends it is in sight whatever else is.
        for control in controls:
            # On a small screen the dialog scrolls, but not sideways.
            page.js("document.getElementById(arguments[0]).scrollIntoView()", control)
            assert page.js(f"return document.getElementById('{name}-dialog').scrollLeft") == 0
            _all_reachable(page, [control], *size)


def _all_reachable(page: Page, controls: list[str], width: int, height: int) -> None:
    scroll = page.js("const root = document.documentElement; return [root.scrollWidth, root.scrollHeight]")
    assert scroll[0] <= width
    assert scroll[1] <= height
    for control in controls:
        box = page.js("return document.getElementById(arguments[0]).getBoundingClientRect().toJSON()", control)
        where = f"{control} at {width} x {height}: {box}"
        assert 0 <= box["left"] < box["right"] <= width, where
        assert 0 <= box["top"] < box["bottom"] <= height, where
        if page.js("return document.getElementById(arguments[0]).matches('button, select, a')", control):
            assert min(box["width"], box["height"]) >= FINGER - 0.01, f"too small: {where}"
        on_top = """const box = document.getElementById(arguments[0]).getBoundingClientRect();
            return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)
                .closest("#" + arguments[0]) !== null"""
        assert page.js(on_top, control), f"under something: {where}"


def test_inline_script_does_not_run(daemon: Daemon, open_page: Open) -> None:
    """Else a hole in the page, should there ever be one, gives a stranger the user's camera."""
    page = open_page()
    page.expected_errors = ["Content Security Policy"]
    page.open(daemon.url)
    page.js(
        """window.ran = false;
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.head.append(script);"""
    )
    assert page.js("return window.ran") is False
    assert any("Content Security Policy" in str(entry["message"]) for entry in page.driver.get_log("browser"))


def test_the_client_of_the_package_runs_in_a_plain_page(daemon: Daemon, open_page: Open) -> None:
    """Else whoever has no build cannot use it from the address that the daemon serves it at."""
    page = open_page()
    page.open(daemon.url)
    said = page.driver.execute_async_script(
        """const done = arguments[0];
        (async () => {
          const { createClient } = await import("/static/client.js");
          const { ErrorCode } = await import("/static/protocol.js");
          const client = createClient(), states = [];
          client.on("state", (state) => states.push(state));
          await client.connect();
          await client.available();
          await client.leave();
          const refused = await client.report({ reason: "spam" }).catch(({ code }) => code === ErrorCode.NOT_PAIRED);
          client.close();
          return [...states, refused];
        })().then(done, (error) => done([String(error)]));"""
    )
    assert said == ["connecting", "connected", "ended", True]
