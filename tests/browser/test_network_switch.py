"""A phone that goes from one network to another in the middle of a call: `make test-kits`, as root.

The phone is a browser in a network namespace of its own, with two links to the daemon and to its partner.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from tests.support.ports import free_port

from .conftest import ALLOWED, CAMERA, FLAGS, Daemon, Open, Page
from .test_examples import COUNT, connections, files, package, press, project, sees_partner

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.geteuid() != 0, reason="namespaces are made by root alone")]

__all__ = ["package"]

SPACE = "signald-phone"
NAMES = ("wifi", "mobile")
HOST = "10.77.1.1"
"""Where the daemon and the page are; the phone reaches it over both links."""

STATES = """
const state = document.getElementById("state");
window.states = [];
new MutationObserver(() => states.push(state.textContent)).observe(state, { childList: true });
"""
"""Once the call is there: what the page shows from then on."""


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=30)


class Links:
    """The two networks of the phone, ``wifi`` and ``mobile``: both up, wifi preferred."""

    def __enter__(self) -> "Links":
        self.__exit__()
        _ip("netns", "add", SPACE)
        _ip("-n", SPACE, "link", "set", "lo", "up")
        for number, name in enumerate(NAMES, start=1):
            ours, net = f"signald-{name}", f"10.77.{number}"
            _ip("link", "add", ours, "type", "veth", "peer", "name", name, "netns", SPACE)
            _ip("addr", "add", f"{net}.1/24", "dev", ours)
            _ip("link", "set", ours, "up")
            _ip("-n", SPACE, "addr", "add", f"{net}.2/24", "dev", name)
            _ip("-n", SPACE, "link", "set", name, "up")
            _ip("-n", SPACE, "route", "add", "default", "via", f"{net}.1", "dev", name, "metric", str(10 * number))
        return self

    def __exit__(self, *_: object) -> None:
        for words in (["netns", "del", SPACE], *(["link", "del", f"signald-{name}"] for name in NAMES)):
            subprocess.run(["ip", *words], capture_output=True, timeout=30, check=False)

    def down(self, name: str) -> None:
        _ip("-n", SPACE, "link", "set", name, "down")

    def up(self, name: str) -> None:
        _ip("-n", SPACE, "link", "set", name, "up")
        _ip("-n", SPACE, "route", "replace", "default", "via", "10.77.2.1", "dev", name, "metric", "20")


@contextmanager
def _phone(trusted: str) -> Iterator[Page]:
    """A browser in the namespace; its driver speaks to it over a pipe, which no network carries."""
    with tempfile.TemporaryDirectory(prefix="signald-phone-", ignore_cleanup_errors=True) as folder:
        binary = Path(folder) / "chromium"
        binary.write_text(f'#!/bin/sh\nexec ip netns exec {SPACE} {shutil.which("chromium")} "$@"\n')
        binary.chmod(0o755)
        options = ChromeOptions()
        options.binary_location = str(binary)
        for flag in (*FLAGS, CAMERA, ALLOWED, trusted, "--remote-debugging-pipe", f"--user-data-dir={folder}/profile"):
            options.add_argument(flag)
        driver = Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            yield Page(driver)
        finally:
            driver.quit()


def sees_state(page: Page, state: str) -> None:
    page.until(lambda: page.text("state") == state, f"state {state}")


@pytest.mark.parametrize("gap", [True, False], ids=["with a gap", "before the first is gone"])
def test_a_call_goes_on_in_another_network(
    package: Path, daemon_with: Callable[..., Daemon], open_page: Open, tmp_path: Path, *, gap: bool
) -> None:
    """Else whoever leaves the house loses the call, at once or when the server pings a network that is no more."""
    with ExitStack() as stack:
        links = stack.enter_context(Links())
        daemon = daemon_with("--heartbeat-seconds", "2")
        port = free_port()
        stack.enter_context(files(project("page", package, tmp_path), port))
        origin = f"http://{HOST}:{port}"
        trusted = f"--unsafely-treat-insecure-origin-as-secure={origin}"
        phone, desk = stack.enter_context(_phone(trusted)), open_page(CAMERA, ALLOWED, trusted)
        phone.expected_errors = desk.expected_errors = ["favicon", "WebSocket"]
        for page in (phone, desk):
            page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": COUNT})
            page.open(f"{origin}/?url=ws://{HOST}:{daemon.port}/ws")
            page.click("start")
        for page in (phone, desk):
            sees_partner(page)
            page.js(STATES)
        assert connections(phone) == [True]

        if gap:
            links.down("mobile")
            links.down("wifi")
            phone.until(lambda: not phone.js("return navigator.onLine"), "the phone has no network")
            links.up("mobile")
        else:
            links.down("wifi")
        phone.until(lambda: connections(phone)[-1] and len(connections(phone)) > 1, "the phone is back at the server")
        for page in (phone, desk):
            sees_state(page, "connected")
            sees_partner(page)
            assert set(page.js("return states")) <= {"interrupted", "connected"}, "it is another call"
        assert daemon.clients == 2
        press(desk, "Leave")
        press(phone, "Leave")
