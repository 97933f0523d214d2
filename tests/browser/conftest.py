"""Real pages in real browsers, talking through a real daemon.

Every wait here is for something that a user could see. A page whose console shows an error at the end of its test,
a violation of the Content-Security-Policy included, fails that test.
"""

import os
import re
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.support.daemon import DaemonProcess
from tests.support.operator import Operator
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_S, until

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    # Pages without camera permission would name themselves by mDNS, which a container does not resolve.
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    # Without a graphics card each frame of the page's rings is painted by the processor.
    "--force-prefers-reduced-motion",
    # Windows that are not in front go on as if they were.
    "--disable-renderer-backgrounding",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
)
# The camera of the page under test: a small picture, and few in a second, leave a small machine time for the rest.
CAMERA = "--use-fake-device-for-media-stream=fps=5"
WIDTH, HEIGHT, FRAMES_PER_S = 160, 120, 5
NO_CAMERA = "--use-fake-device-for-media-stream=device-count=0"
ALLOWED = "--use-fake-ui-for-media-stream"
REFUSED = "--deny-permission-prompts"
COUNT_WORKERS = """
const Real = Worker;
window.solved = 0;
window.Worker = class extends Real {
  constructor(url) { super(url); this.addEventListener("message", () => (window.solved += 1)); }
};
"""
"""Counts what workers have found."""


class Daemon:
    """A daemon that can be stopped and started again on the same port.

    Args:
        options: Of signald.
        variables: Of its environment. With an ADMIN_TOKEN, it has an admin endpoint, too.
    """

    def __init__(self, *options: str, **variables: str) -> None:
        if "ADMIN_TOKEN" in variables:
            variables["ADMIN_LISTEN"] = "tcp:0:interface=127.0.0.1"
        self._options = options
        self._variables = variables
        self.port = free_port()
        self._process = self._started()
        self.url = f"http://127.0.0.1:{self.port}/"

    def _started(self) -> DaemonProcess:
        listeners = 2 if "ADMIN_TOKEN" in self._variables else 1
        return DaemonProcess(f"--port={self.port}", *self._options, variables=self._variables, ready=listeners)

    def start(self) -> None:
        self._process = self._started()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        self._process.kill(how)
        self._process.wait_exit()

    def close(self) -> None:
        self._process.__exit__(None, None, None)

    @property
    def clients(self) -> int:
        """How many are connected."""
        return int(self._process.health()["clients"])

    @property
    def waiting(self) -> int:
        """How many of them wait; as it was a second ago."""
        return int(self._process.says("/online")["waiting"])

    @property
    def calls(self) -> dict[tuple[str, str], int]:
        """How many calls the operator was told of, by result and path; for daemons with PUBLIC_METRICS."""
        found = re.findall(r"(?m)^signald_calls_total\{(.*)\} (\d+)", self.metrics())
        told: Counter[tuple[str, str]] = Counter()
        for labels, count in found:
            of = dict(re.findall(r'(\w+)="(\w+)"', labels))
            told[of["result"], of["path"]] += int(count)
        return {kind: count for kind, count in told.items() if count}

    def metrics(self) -> str:
        """What it tells Prometheus."""
        with urlopen(f"{self.url}metrics", timeout=PATIENCE_S) as metrics:  # noqa: S310 - our own
            return str(metrics.read().decode())

    @property
    def log(self) -> str:
        return self._process.log

    def wait_for(self, words: str) -> None:
        """Wait until the log holds these words."""
        self._process.wait_for(words)

    def operator(self) -> Operator:
        """Who has the token that this daemon asks for."""
        (port,) = [port for port in self._process.ports if port != self.port]
        return Operator(port)


class Page:
    """One browser with one page of the daemon, and what a user does and sees there."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver
        self.expected_errors: list[str] = []

    def open(self, url: str) -> None:
        self.driver.get(url)

    def close(self) -> None:
        """As closing the tab does: the page is gone without a word."""
        self.driver.get("about:blank")

    def end(self) -> None:
        """Leave, so that no session waits for this page, and close."""
        self.js("document.getElementById('leave')?.click()")
        self.close()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """This browser stands still, as a machine does that sleeps or has lost its network."""
        processes = descendants(self.driver.service.process.pid)
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def js(self, script: str, *args: object) -> Any:
        return self.driver.execute_script(script, *args)

    def click(self, control: str) -> None:
        self.driver.find_element("id", control).click()

    def press(self, *keys: str) -> None:
        """Keys, to whatever has the focus."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def text(self, element: str) -> str:
        return str(self.driver.find_element("id", element).text)

    def until(self, condition: Callable[[], object], what: str) -> None:
        def reached(_: object) -> bool:
            return bool(condition())

        try:
            WebDriverWait(self.driver, PATIENCE_S, poll_frequency=0.05).until(reached)
        except TimeoutException:
            shown = self.js("return `${document.body.dataset.state}: ${document.body.innerText}`")
            pytest.fail(f"not in {PATIENCE_S} s: {what}. The page is {shown}")

    @property
    def state(self) -> str:
        return str(self.js("return document.body.dataset.state"))

    def reach(self, *states: str) -> None:
        self.until(lambda: self.state in states, f"state {' or '.join(states)}")

    def start(self, url: str) -> None:
        """Open the demo page and press Start."""
        self.open(url)
        self.click("start")
        self.reach("waiting", "matched", "connected")

    def frames(self) -> int:
        """How many pictures of the partner this page has shown."""
        quality = "document.getElementById('remote-video').getVideoPlaybackQuality()"
        return int(self.js(f"return {quality}.totalVideoFrames - {quality}.droppedVideoFrames"))

    def sees_partner(self) -> None:
        """The partner's picture has a size, moves, and goes on moving."""
        self.reach("connected")
        before = self.frames()
        self.until(lambda: self.frames() >= before + 3, "moving pictures of the partner")
        assert self.js("return document.getElementById('remote-video').videoWidth") > 0
        assert self.driver.find_element("id", "remote-video").is_displayed()

    def hears_partner(self) -> None:
        """Sound arrives, and the page plays it."""
        script = """const {srcObject, muted, paused} = document.getElementById("remote-video");
            return !muted && !paused && srcObject.getAudioTracks().some((track) => !track.muted);"""
        self.until(lambda: self.js(script), "sound from the partner")

    def write(self, text: str) -> None:
        self.until(lambda: self.driver.find_element("id", "chat-text").is_enabled(), "a chat that can be written in")
        if self.js("return document.body.dataset.chat") == "closed":
            self.click("toggle-chat")
        self.driver.find_element("id", "chat-text").send_keys(text, Keys.ENTER)

    def messages(self, sender: str) -> list[str]:
        """The chat's lines of `you`, `partner` or `page`, as they are shown."""
        script = """return [...document.querySelectorAll(`#chat-log .from-${arguments[0]}`)]
            .map((line) => line.lastChild.textContent)"""
        return [str(line) for line in self.js(script, sender)]

    def receives(self, text: str) -> None:
        self.until(lambda: text in self.messages("partner"), f"the partner's message {text!r}")

    def errors(self) -> list[str]:
        """What the console holds since the last look that no test expects."""
        entries = self.driver.get_log("browser")
        severe = [str(entry["message"]) for entry in entries if entry["level"] == "SEVERE"]
        return [text for text in severe if not any(re.search(known, text) for known in self.expected_errors)]


Open = Callable[..., Page]


def descendants(parent: int) -> list[int]:
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # It ended meanwhile.
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                child = int(stat.parent.name)
                found += [child, *descendants(child)]
    return found


def _film(folder: Path) -> Path:
    """What the camera sees, over and over: a light bar that moves over a dark ground (YUV4MPEG2)."""
    film = folder / "film.y4m"
    colour = bytes([128]) * (WIDTH * HEIGHT // 2)
    with film.open("wb") as file:
        file.write(b"YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420jpeg\n" % (WIDTH, HEIGHT, FRAMES_PER_S))
        for at in range(0, WIDTH, WIDTH // 10):
            row = bytearray([60]) * WIDTH
            row[at : at + WIDTH // 10] = bytes([220]) * (WIDTH // 10)
            file.write(b"FRAME\n" + bytes(row) * HEIGHT + colour)
    return film


def in_call(*pages: Page) -> None:
    """These pages, and no others, see each other."""
    for page in pages:
        page.sees_partner()


def resize(page: Page, width: int, height: int) -> None:
    """Give the page the screen of another device."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 900}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


@pytest.fixture(scope="session")
def _browsers() -> Iterator[Callable[[tuple[str, ...], int], Chrome]]:
    """Browsers by their flags, started once; each with a profile of its own."""
    driver_path, browser_path = shutil.which("chromedriver"), shutil.which("chromium") or shutil.which("google-chrome")
    if driver_path is None or browser_path is None:
        missing = "chromium and chromedriver are needed: apt-get install chromium chromium-driver"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    running: dict[tuple[tuple[str, ...], int], Chrome] = {}
    profiles: list[tempfile.TemporaryDirectory[str]] = []

    def get(flags: tuple[str, ...], number: int) -> Chrome:
        if (flags, number) not in running:
            profile = tempfile.TemporaryDirectory(prefix="signald-browser-", ignore_cleanup_errors=True)
            profiles.append(profile)
            options = ChromeOptions()
            options.binary_location = str(browser_path)
            for flag in (*FLAGS, *flags, f"--user-data-dir={profile.name}"):
                options.add_argument(flag)
            if CAMERA in flags:
                options.add_argument(f"--use-file-for-fake-video-capture={_film(Path(profile.name))}")
            options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
            driver = Chrome(options=options, service=Service(driver_path))
            driver.set_script_timeout(PATIENCE_S)
            running[flags, number] = driver
        return running[flags, number]

    yield get
    for driver in running.values():
        driver.quit()
    for profile in profiles:
        profile.cleanup()


@pytest.fixture
def open_page(_browsers: Callable[[tuple[str, ...], int], Chrome]) -> Iterator[Open]:
    """Call it for one more browser: `open_page()`, or `open_page(CAMERA, REFUSED)`."""
    pages: list[tuple[tuple[str, ...], Page]] = []

    def new(*flags: str) -> Page:
        flags = flags or (CAMERA, ALLOWED)
        page = Page(_browsers(flags, sum(used == flags for used, _ in pages)))
        page.driver.get_log("browser")
        pages.append((flags, page))
        return page

    yield new
    errors = [error for _, page in pages for error in page.errors()]
    for _, page in pages:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        page.driver.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "local_storage"})
        page.end()
    assert not errors, f"errors in a page's console: {errors}"


@pytest.fixture
def daemon_with() -> Iterator[Callable[..., Daemon]]:
    """Call it to start a daemon with options and variables, for this test alone."""
    with ExitStack() as running:
        yield lambda *options, **variables: running.enter_context(closing(Daemon(*options, **variables)))


@pytest.fixture(scope="session")
def _shared_daemon() -> Iterator[Daemon]:
    with closing(Daemon()) as daemon:
        yield daemon


@pytest.fixture
def daemon(_shared_daemon: Daemon) -> Daemon:
    """A daemon with the default settings, and nobody there from an earlier test."""
    until(lambda: not _shared_daemon.clients, "clients of an earlier test are gone")
    return _shared_daemon
