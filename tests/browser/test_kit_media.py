"""The packed JavaScript kit where a firewall lets nothing pass, or a camera fails: `make test-kits`."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.node import installed
from tests.support.turn import TurnServer, find_turnserver

from .conftest import Daemon, Open, Page, descendants
from .test_examples import files, package, sees_partner

pytestmark = pytest.mark.slow

__all__ = ["package"]

SECRET = "only signald and coturn know this"

PAGE = """<!doctype html>
<title>Calls</title>
<video autoplay playsinline muted></video>
<p id="state"></p> <p id="partner"></p>
<script type="importmap">{ "imports": {
  "@signald/client": "./node_modules/@signald/client/dist/client.js",
  "@signald/client/call": "./node_modules/@signald/client/dist/chat.js"
} }</script>
<script type="module">
  import { createClient } from "@signald/client";
  import { RandomChat } from "@signald/client/call";
  const { url, ...rtcConfig } = Object.fromEntries(new URLSearchParams(location.search));
  const chat = (window.chat = new RandomChat({ client: createClient({ url }), rtcConfig }));
  const [video, state, partner] = ["video", "#state", "#partner"].map((name) => document.querySelector(name));
  window.told = [];
  chat.on("change", (now) => {
    state.textContent = now.error?.message ?? now.state;
    if (video.srcObject !== now.remoteStream) video.srcObject = now.remoteStream;
    const camera = now.partner && `camera ${now.partner.sending.video ? "on" : "off"}`;
    if (camera !== told.at(-1)) told.push(camera);
  });
  chat.start();
</script>
"""


@contextmanager
def calls(package: Path, folder: Path, daemon: Daemon, more: str = "") -> Iterator[str]:
    """The address of a page that calls somebody as soon as it is there."""
    (installed(package, folder) / "index.html").write_text(PAGE)
    with files(folder) as url:
        yield f"{url}?url={daemon.url.replace('http', 'ws')}ws{more}"


def test_relay_alone(package: Path, daemon_with: Callable[..., Daemon], open_page: Open, tmp_path: Path) -> None:
    """Else who must not show an address to strangers, or has a firewall that lets nothing pass, cannot use the kit."""
    if not find_turnserver():
        missing = "coturn is needed: apt-get install coturn"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    (tmp_path / "turn").mkdir()
    with TurnServer(tmp_path / "turn", SECRET) as turn:
        urls = f"turn:127.0.0.1:{turn.port}?transport=udp"
        daemon = daemon_with("--ice-servers", urls, "--turn-secret", SECRET, "--public-metrics", "true")
        pages = [open_page(), open_page()]
        with calls(package, tmp_path, daemon, "&iceTransportPolicy=relay") as url:
            for page in pages:
                page.expected_errors = ["favicon"]
                page.open(url)
            for page in pages:
                sees_partner(page)
            for page in pages:
                page.js("chat.stop()")
            pages[0].until(lambda: daemon.calls == {("connected", "relayed"): 2}, "two calls by the relay")


def test_a_camera_is_lost(package: Path, daemon: Daemon, open_page: Open, tmp_path: Path) -> None:
    """Else who pulls the plug for a moment stays a still picture, and the partner waits for one that is frozen.

    No plug can be pulled from a machine without cameras. What is killed is the process of Chromium that reads the
    camera: the browser itself ends the track then, as it does for a device that is gone.
    """
    mine, theirs = open_page(), open_page()
    with calls(package, tmp_path, daemon) as url:
        for page in (mine, theirs):
            page.expected_errors = ["favicon"]
            page.open(url)
        for page in (mine, theirs):
            sees_partner(page)
        mine.js("window.first = chat.snapshot.localStream.getVideoTracks()[0]")
        (reader,) = readers(mine)
        os.kill(reader, signal.SIGKILL)
        on, off = "camera on", "camera off"
        theirs.until(lambda: theirs.js("return told") == [None, on, off, on], "a camera that was gone for a moment")
        assert mine.js("return first.readyState") == "ended"
        sees_partner(theirs)
        for page in (mine, theirs):
            page.js("chat.stop()")


def readers(page: Page) -> list[int]:
    """The processes of this browser that read cameras."""
    commands = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in descendants(page.driver.service.process.pid)}
    return [pid for pid, command in commands.items() if "video_capture.mojom" in command]
