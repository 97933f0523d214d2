"""What the operator is told of real calls: one that is direct, one by a TURN server, one that is blocked."""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.turn import TurnServer, find_turnserver

from .conftest import Daemon, Open, in_call

pytestmark = pytest.mark.slow

SECRET = "only signald and coturn know this"

# The network of the next call: `all` lets everything pass, `relay` nothing but what goes to the TURN server.
NETWORK = """
window.network = "all";
const Browsers = RTCPeerConnection;
window.RTCPeerConnection = class extends Browsers {
  constructor(configuration) {
    super({ ...configuration, iceTransportPolicy: window.network });
  }
};
"""


def test_what_became_of_calls(daemon_with: Callable[..., Daemon], open_page: Open, tmp_path: Path) -> None:
    """Nobody sees that calls fail, or that the TURN server does nothing; or the alert about it is a false one."""
    if not find_turnserver():
        missing = "coturn is needed: apt-get install coturn"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with TurnServer(tmp_path, SECRET) as turn:
        daemon = daemon_with(
            ICE_SERVERS=f"turn:127.0.0.1:{turn.port}?transport=udp",
            TURN_SECRET=SECRET,
            PUBLIC_METRICS="true",
            REMATCH_DELAY_SECONDS="0",
        )
        a, b = open_page(), open_page()
        for page in (a, b):
            page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": NETWORK})
            page.start(daemon.url)
        in_call(a, b)
        for page in (a, b):
            page.js("window.network = 'relay'")
        a.click("next")
        told = {("connected", "direct"): 2}
        a.until(lambda: told.items() <= daemon.calls.items(), "both have told of a direct call")
        in_call(a, b)
        with turn.unreachable():
            a.click("next")
            told |= {("connected", "relayed"): 2}
            a.until(lambda: told.items() <= daemon.calls.items(), "both have told of a call by the TURN server")
            a.until(lambda: daemon.calls.get(("failed", "none"), 0) >= 2, "both have told of a call that failed")
            for page in (a, b):
                page.click("leave")
        shown = daemon.metrics()
        counters = re.findall(r"(?m)^signald_calls?_\w*(?:total\{.*\} [1-9].*|count .*)$", shown)
        sys.stdout.write("\n".join(counters))
        assert 'signald_call_candidates_total{type="relay"} 2.0' in shown
        assert 'signald_call_candidates_total{type="host"} 2.0' in shown
        assert "signald_call_setup_seconds_count 4.0" in shown
