"""call.js against itself, where the order of events can be chosen: two calls in one page, joined by a slow wire."""

import pytest

from .conftest import Daemon, Open

# Each signal takes 30 ms, so that what both sides send at once crosses on the way.
TWO_CALLS = """
const [act, done] = arguments;
const { Call } = await import("/static/call.js");

function moving() {
  const canvas = document.createElement("canvas"), paint = canvas.getContext("2d");
  setInterval(() => paint.fillRect(Math.random() * 300, Math.random() * 150, 9, 9), 50);
  return canvas.captureStream();
}

const calls = [], pictures = [0, 0], texts = [[], []];
const wire = (to) => {
  const later = (kind) => (payload) => setTimeout(() => calls[to][kind](JSON.parse(JSON.stringify(payload))), 30);
  return { offer: later("offer"), answer: later("answer"), ice: later("ice") };
};
for (const place of [0, 1]) {
  calls[place] = new Call({ initiator: place === 0, stream: null, iceServers: [], send: wire(1 - place) });
  calls[place].on("media", (stream) => (pictures[place] = stream.getVideoTracks().length));
  calls[place].on("text", (text) => texts[place].push(text));
}
const until = async (condition) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
};
await until(() => calls.every(({ state }) => state === "connected"));
if (act === "glare") {
  calls.forEach((call) => call.setStream(moving())); // Both negotiate in the same moment.
  await until(() => pictures.every((count) => count === 1));
}
if (act === "late signals") {
  calls[0].offer("v=0 nonsense");
  calls[0].answer("v=0 of an earlier call");
  calls[0].ice({ candidate: "candidate:1 1 udp 1 192.0.2.1 9 typ host ufrag none", sdpMid: "7" });
  calls[0].ice(null);
}
await until(() => calls[0].sendText("to 1") && calls[1].sendText("to 0"));
await until(() => texts[0].length && texts[1].length);
const states = calls.map(({ state }) => state);
calls[0].close();
calls[1].ice({ candidate: "", sdpMid: "0" });
calls[1].close();
calls[0].offer("v=0 after the end");
done({ states, closed: calls.map(({ state }) => state), texts });
"""


@pytest.mark.parametrize("act", ["glare", "late signals"])
def test_the_call_survives(daemon: Daemon, open_page: Open, act: str) -> None:
    """Else a call breaks when both allow their camera in the same moment, or when a signal comes late."""
    page = open_page()
    page.open(daemon.url)
    result = page.driver.execute_async_script(f"(async (...arguments) => {{{TWO_CALLS}}})(...arguments)", act)
    assert result["states"] == ["connected", "connected"]
    assert result["closed"] == ["closed", "closed"]
    assert "to 1" in result["texts"][1]
    assert "to 0" in result["texts"][0]
