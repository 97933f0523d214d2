"""A call that goes through a TURN server, as behind firewalls that let nothing else pass."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.turn import TurnServer, find_turnserver

from .conftest import Daemon, Open, Page, in_call

SECRET = "only signald and coturn know this"

# What the demo page would do in such a network: candidates other than the TURN server's are not even gathered.
RELAY_ALONE = """
const Browsers = RTCPeerConnection;
window.RTCPeerConnection = class extends Browsers {
  constructor(configuration) {
    super({ ...configuration, iceTransportPolicy: "relay" });
    window.lastPeer = this;
  }
};
"""

# The kinds of both ends of the path that carries the call.
KINDS = """
const done = arguments[0];
window.lastPeer.getStats().then((stats) => {
  const all = [...stats.values()];
  const chosen = stats.get(all.find(({ type }) => type === "transport").selectedCandidatePairId);
  done([chosen.localCandidateId, chosen.remoteCandidateId].map((id) => stats.get(id).candidateType));
});
"""


@contextmanager
def relay_alone(page: Page) -> Iterator[None]:
    """Every page that this browser opens meanwhile goes through TURN."""
    added = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": RELAY_ALONE})
    try:
        yield
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_call_through_turn(
    daemon_with: Callable[..., Daemon], open_page: Open, tmp_path: Path, transport: str
) -> None:
    """People behind strict firewalls have no calls, though the operator runs a TURN server."""
    if not find_turnserver():
        missing = "coturn is needed: apt-get install coturn"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with TurnServer(tmp_path, SECRET) as turn:
        urls = f"turn:127.0.0.1:{turn.port}?transport={transport}"
        daemon = daemon_with("--ice-servers", urls, "--turn-secret", SECRET)
        a, b = open_page(), open_page()
        with relay_alone(a), relay_alone(b):
            a.start(daemon.url)
            b.start(daemon.url)
            in_call(a, b)
            for page in (a, b):
                assert page.driver.execute_async_script(KINDS) == ["relay", "relay"]
