"""call.js against itself, where the order of events can be chosen: two calls in one page, joined by a slow wire."""

import pytest

from .conftest import Daemon, Open

# Each signal takes 30 ms, so that what both sides send at once crosses on the way.
TWO_CALLS = """
const [act, done] = arguments;
const { Call } = await import("/static/call.js");
// Another path is a doubt as well, and on a busy machine it is found at any time.
Object.defineProperty(RTCIceTransport.prototype, "onselectedcandidatepairchange", { set() {} });

function moving() {
  const canvas = document.createElement("canvas"), paint = canvas.getContext("2d");
  setInterval(() => paint.fillRect(Math.random() * 300, Math.random() * 150, 9, 9), 50);
  return canvas.captureStream();
}

const calls = [], pictures = [0, 0], texts = [[], []], states = [[], []], sendings = [[], []];
let cut = false;
const wire = (to) => {
  const later = (kind) => (payload) => {
    if (!cut) setTimeout(() => calls[to][kind](JSON.parse(JSON.stringify(payload))), 30);
  };
  return { offer: later("offer"), answer: later("answer"), ice: later("ice"), data: later("data") };
};
function begin(place, { stream = null, again = false } = {}) {
  const call = new Call({ initiator: place === 0, stream, iceServers: [], again, send: wire(1 - place) });
  call.on("media", (media) => (pictures[place] = media.getVideoTracks().length));
  call.on("text", (text) => texts[place].push(text));
  call.on("state", (state) => states[place].push(state));
  call.on("sending", ({ audio, video }) => sendings[place].push(`${audio} ${video} ${states[place].at(-1)}`));
  calls[place] = call;
}
begin(0);
begin(1);
const until = async (condition) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
};
await until(() => calls.every(({ state }) => state === "connected"));
if (act === "glare") {
  calls.forEach((call) => call.setStream(moving())); // Both negotiate in the same moment.
  await until(() => pictures.every((count) => count === 1));
}
const reloaded = { "the first is loaded anew": 0, "the second is loaded anew": 1 }[act.split(",")[0]];
if (reloaded !== undefined) {
  const other = 1 - reloaded;
  calls[other].setStream(moving());
  await until(() => pictures[reloaded] === 1);
  pictures[reloaded] = 0;
  calls[reloaded].close();
  if (act.endsWith("at once")) calls[other].restart(); // Its offer is for a call that is no more.
  begin(reloaded, { stream: moving(), again: true });
  await until(() => pictures.every((count) => count === 1));
  await until(() => states.every((told) => told.at(-1) === "connected"));
}
if (act === "lost signals") {
  cut = true;
  calls.forEach((call) => call.setStream(moving()));
  await new Promise((resolve) => setTimeout(resolve, 300)); // Nothing comes of it that could be waited for.
  cut = false;
  calls.forEach((call) => call.restart());
  await until(() => pictures.every((count) => count === 1));
}
if (act === "late signals") {
  calls[0].offer("v=0 nonsense");
  calls[0].answer("v=0 of an earlier call");
  calls[0].ice({ candidate: "candidate:1 1 udp 1 192.0.2.1 9 typ host ufrag none", sdpMid: "7" });
  calls[0].ice(null);
}
if (act === "switched off") {
  const stream = moving(), [track] = stream.getTracks();
  const told = (word) => until(() => sendings[1].at(-1) === `${word} connected`);
  calls[0].setStream(stream);
  await told("false true");
  track.enabled = false;
  calls[0].announce();
  await told("false false");
  track.enabled = true;
  calls[0].announce();
  await told("false true");
  track.dispatchEvent(new Event("ended", track.stop())); // As one that is unplugged.
  await told("false false");
}
let doubts = 0;
if (act === "the server has lost the second") {
  calls[1].on("doubt", () => (doubts += 1));
  for (const _ of [1, 2]) calls[0].partnerAway(); // The second of two at once would let a partner keep this page busy.
  calls[0].sendText("to 1");
  await until(() => doubts && texts[1].length);
}
await until(() => calls[0].sendText("to 1") && calls[1].sendText("to 0"));
await until(() => texts[0].length && texts[1].length);
const before = calls.map(({ state }) => state);
const measured = await calls[0].measure(), { outcome } = calls[0];
calls[0].close();
calls[1].ice({ candidate: "", sdpMid: "0" });
calls[1].close();
calls[0].offer("v=0 after the end");
done({ states: before, closed: calls.map(({ state }) => state), texts, sendings, measured, outcome, doubts });
"""


@pytest.mark.parametrize(
    "act",
    [
        "glare",
        "switched off",
        "late signals",
        "the server has lost the second",
        "lost signals",
        "the first is loaded anew",
        "the second is loaded anew",
        "the first is loaded anew, and the second offers at once",
        "the second is loaded anew, and the first offers at once",
    ],
)
def test_the_call_survives(daemon: Daemon, open_page: Open, act: str) -> None:
    """Else a call breaks when both offer at once, when a signal is late or lost, or when a page is loaded anew."""
    page = open_page()
    page.open(daemon.url)
    result = page.driver.execute_async_script(f"(async (...arguments) => {{{TWO_CALLS}}})(...arguments)", act)
    assert result["states"] == ["connected", "connected"]
    assert result["closed"] == ["closed", "closed"]
    assert "to 1" in result["texts"][1]
    assert "to 0" in result["texts"][0]
    # Neither has a camera when they begin, and says so before there is a channel.
    assert result["sendings"][0][0] == "false false undefined"
    assert result["measured"].items() >= {"path": "direct", "candidateType": "host"}.items()
    assert result["outcome"].items() >= {"result": "connected", "path": "direct"}.items()
    assert result["outcome"]["setupMs"] > 0
    assert result["doubts"] == (act == "the server has lost the second")
