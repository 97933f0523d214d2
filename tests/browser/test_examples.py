"""The examples of the JavaScript kit, each with the package as it would be published: `make test-kits`."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import urlopen

import pytest

from tests.support.daemon import environment
from tests.support.node import KIT, installed, packed, program, run
from tests.support.ports import free_port
from tests.support.waiting import until

from .conftest import COUNT_WORKERS, Daemon, Open, Page

pytestmark = pytest.mark.slow

OF_REACT = ("react", "react-dom", "@types/react", "@types/react-dom", "@vitejs/plugin-react", "typescript", "vite")

COUNT = """
if (!window.sockets) {
  window.sockets = [];
  window.WebSocket = class extends WebSocket {
    constructor(url, ...more) {
      super(url, ...more);
      if (new URL(url, location).pathname === "/ws") sockets.push(this);
    }
  };
  const { getUserMedia } = navigator.mediaDevices ?? {};
  window.tracks = [];
  if (getUserMedia) navigator.mediaDevices.getUserMedia = async function (...asked) {
    const stream = await getUserMedia.apply(this, asked);
    tracks.push(...stream.getTracks());
    return stream;
  };
}
"""
"""Before a page's own scripts: what it has opened can be counted."""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed(tmp_path_factory.mktemp("packed"))


def project(name: str, package: Path, folder: Path, *also: str) -> Path:
    """An example in a folder of its own, with the package installed."""
    copy = folder / name
    shutil.copytree(KIT / "examples" / name, copy)
    return installed(package, copy, *also)


@contextmanager
def vite(project: Path, daemon: Daemon) -> Iterator[str]:
    """The address of the page as a developer has it: served by Vite, /ws passed on to the daemon."""
    port = free_port()
    command = [
        program("node"),
        "node_modules/vite/bin/vite.js",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--strictPort",
    ]
    given = environment() | {"SIGNALD": daemon.url}
    running = subprocess.Popen(command, cwd=project, env=given, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}/"
        until(lambda: running.poll() is not None or _answers(url), "Vite serves the page")
        assert running.poll() is None
        yield url
    finally:
        running.terminate()
        running.wait()


@contextmanager
def files(folder: Path, port: int = 0) -> Iterator[str]:
    """The address of a folder as any web server serves it, on all interfaces."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("", port), partial(Quiet, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def _answers(url: str) -> bool:
    try:
        return bool(urlopen(url, timeout=5).status == 200)  # noqa: S310 - our own
    except OSError:
        return False


def open_counted(page: Page, url: str) -> None:
    page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": COUNT})
    page.expected_errors = ["favicon"]
    page.open(url)


def press(page: Page, words: str) -> None:
    path = f"//button[normalize-space()='{words}']"
    page.until(lambda: page.driver.find_elements("xpath", path), f"a button {words}")
    page.driver.find_element("xpath", path).click()


def shows(page: Page, words: str) -> None:
    page.until(lambda: words in str(page.js("return document.body.innerText")), words)


def sees_partner(page: Page) -> None:
    """The first video shows pictures that move."""
    picture = "return document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames"
    page.until(lambda: page.js("return document.querySelector('video')?.srcObject?.active"), "the partner's stream")
    before = page.js(picture)
    page.until(lambda: page.js(picture) >= before + 3, "moving pictures of the partner")


def works(page: Page) -> None:
    page.until(lambda: page.js("return window.solved") == 2, "the work for this call and the next, in workers")


def connections(page: Page) -> list[bool]:
    """Of each connection to the server that the page has opened, whether it is open."""
    return [bool(each) for each in page.js("return sockets.map(({ readyState }) => readyState === WebSocket.OPEN)")]


def test_react(package: Path, daemon_with: Callable[..., Daemon], open_page: Open, tmp_path: Path) -> None:
    """Else StrictMode, an edit, a reload or an unmounted component costs the call, or leaves a ghost in the queue."""
    daemon, a, b = daemon_with("--rematch-delay-seconds", "0"), open_page(), open_page()
    app = project("react", package, tmp_path, *OF_REACT)
    run(app, program("node"), "node_modules/typescript/bin/tsc")
    run(app, program("node"), "node_modules/vite/bin/vite.js", "build")
    with vite(app, daemon) as url:
        for page in (a, b):
            open_counted(page, url)
            press(page, "Start")
        for page in (a, b):
            sees_partner(page)
            assert connections(page) == [True]

        press(a, "Camera off")
        shows(b, "camera is off")
        press(a, "Camera on")

        source = app / "src" / "Chat.tsx"
        source.write_text(source.read_text().replace("Leave</button>", "Go</button>"))
        for page in (a, b):
            shows(page, "Go")
            sees_partner(page)
            assert connections(page) == [True]

        b.driver.refresh()
        for page in (a, b):
            sees_partner(page)

        press(a, "Close")
        a.until(lambda: daemon.clients == 1, "the unmounted component has left")
        shows(b, "waiting")
        assert connections(a) == [False]
        assert a.js("return tracks.every(({ readyState }) => readyState === 'ended')")
        press(a, "Open")
        press(a, "Start")
        for page in (a, b):
            sees_partner(page)
        for page in (a, b):
            press(page, "Go")


def test_page(package: Path, daemon_with: Callable[..., Daemon], open_page: Open, tmp_path: Path) -> None:
    """Else a page without a build cannot use the package, nor work in a worker; or no operator hears of its calls."""
    daemon = daemon_with("--public-metrics", "true", CHALLENGE="on")
    with ExitStack() as running:
        url = running.enter_context(files(project("page", package, tmp_path)))
        pages = [open_page(), open_page()]
        for page in pages:
            page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": COUNT_WORKERS})
            open_counted(page, f"{url}?url={daemon.url.replace('http', 'ws')}ws")
            page.click("start")
        for page in pages:
            sees_partner(page)
        for page in pages:
            works(page)
        pages[0].click("leave")
        shows(pages[1], "waiting")
        # Both have told what became of the call.
        pages[1].until(lambda: daemon.calls.get(("connected", "direct"), 0) >= 2, "two outcomes")
        pages[1].click("leave")
