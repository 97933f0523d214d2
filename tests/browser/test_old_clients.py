"""Pages written for the server that signald succeeds: they know its fields only, and have never seen `initiator`."""

from collections.abc import Callable

import pytest

from .conftest import Daemon, Open, Page

# Such a page, as its author would have written it. `offers` is what it made of the missing `initiator`.
OLD_PAGE = """
const [offers, sdpOf, withCamera] = [eval(arguments[0]), eval(arguments[1]), arguments[2]];
const old = (window.old = { codes: [], texts: [], partners: [] });
const socket = new WebSocket(location.origin.replace("http", "ws") + "/ws");
const send = (message) => socket.send(JSON.stringify(message));
let clientId, peer, stream;

function use(channel) {
  channel.onopen = () => (old.channel = channel);
  channel.onmessage = ({ data }) => old.texts.push(data);
}

function connect() {
  peer = new RTCPeerConnection();
  peer.onicecandidate = ({ candidate }) => candidate && send({ type: "ice", candidate });
  peer.ondatachannel = ({ channel }) => use(channel);
  peer.ontrack = ({ streams }) => {
    old.video ??= Object.assign(document.createElement("video"), { muted: true, autoplay: true });
    document.body.append(old.video);
    old.video.srcObject = streams[0];
  };
  for (const track of stream?.getTracks() ?? []) peer.addTrack(track, stream);
}

socket.onmessage = async ({ data }) => {
  const message = JSON.parse(data);
  switch (message.type) {
    case "ready":
      clientId = message.clientId;
      if (withCamera) stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
      old.ready = true;
      send({ type: "auth", userId: "old" });
      send({ type: "available" });
      break;
    case "matched":
      old.partners.push(message.partnerId);
      connect();
      if (offers(clientId, message.partnerId)) {
        use(peer.createDataChannel("chat"));
        await peer.setLocalDescription(await peer.createOffer());
        send({ type: "offer", sdp: sdpOf(peer.localDescription) });
      }
      break;
    case "offer":
      await peer.setRemoteDescription({ type: "offer", sdp: message.sdp.sdp ?? message.sdp });
      await peer.setLocalDescription(await peer.createAnswer());
      send({ type: "answer", sdp: sdpOf(peer.localDescription) });
      break;
    case "answer":
      await peer.setRemoteDescription({ type: "answer", sdp: message.sdp.sdp ?? message.sdp });
      break;
    case "ice":
      await peer.addIceCandidate(message.candidate);
      break;
    case "partner-left":
      peer.close();
      old.left = true;
      break;
    case "error":
      old.codes.push(message.code);
      break;
    case "pong":
      old.pong = true;
      break;
    default:
      old.codes.push("unknown type " + message.type);
  }
};
old.next = () => send({ type: "next" });
old.ping = () => send({ type: "ping" });
"""

SMALLER_ID = "(mine, partners) => mine < partners"
GREATER_ID = "(mine, partners) => mine > partners"
ALWAYS = "() => true"
NEVER = "() => false"
STRING = "({ sdp }) => sdp"
OBJECT = "(description) => description"


def _open_old(page: Page, daemon: Daemon, offers: str, *, sdp: str = STRING, camera: bool = False) -> None:
    # Its own fault, and without consequence: an offer that came between its createOffer and setLocalDescription.
    page.expected_errors = ["favicon.ico", "Called in wrong state: have-remote-offer"]
    page.open(f"{daemon.url}healthz")  # Of the same origin, and nothing on it.
    page.js(OLD_PAGE, offers, sdp, camera)


def _until(page: Page, script: str, what: str) -> None:
    page.until(lambda: page.js(f"return {script}"), what)


@pytest.mark.parametrize(("offers", "sdp"), [(SMALLER_ID, STRING), (GREATER_ID, OBJECT)])
def test_two_old_pages_connect(daemon_with: Callable[..., Daemon], open_page: Open, offers: str, sdp: str) -> None:
    """Else the sites that run on the old server break on the day they switch."""
    daemon, a, b = daemon_with("--rematch-delay-seconds", "0"), open_page(), open_page()
    for page in (a, b):
        _open_old(page, daemon, offers, sdp=sdp)
    for page, other in ((a, b), (b, a)):
        _until(page, "old.channel", "an open data channel")
        page.js("old.channel.send('hello')")
        _until(other, "old.texts.includes('hello')", "text through it")
        assert page.js("return old.codes") == []
    a.js("old.ping()")
    _until(a, "old.pong", "pong")
    a.js("old.next()")
    _until(b, "old.left", "partner-left")
    # Both are queued again, and as nobody else comes, with each other.
    _until(a, "old.partners.length === 2", "another match after next")
    _until(b, "old.partners.length === 2", "another match after partner-left")


@pytest.mark.parametrize("old_comes_first", [True, False])
@pytest.mark.parametrize("offers", [ALWAYS, NEVER, SMALLER_ID])
def test_an_old_page_and_the_demo_page_connect(
    daemon: Daemon, open_page: Open, offers: str, old_comes_first: bool
) -> None:
    """Else users of an old page and of a new one cannot talk, whoever of them offers, or when both do (glare)."""
    old, new = open_page(), open_page()
    if old_comes_first:
        _open_old(old, daemon, offers, camera=True)
        _until(old, "old.ready", "a connection")
        new.start(daemon.url)
    else:
        new.start(daemon.url)
        _open_old(old, daemon, offers, camera=True)
    # With both offering, a page of the old kind with data alone would have no channel: Chromium (156), when it rolls
    # its offer back, keeps the number of the data section, and refuses the partner's where that has another.
    new.sees_partner()
    _until(old, "old.video?.currentTime > 0 && old.video.videoWidth > 0", "the demo page's picture")
    _until(old, "old.channel", "an open data channel")
    new.write("from new")
    _until(old, "old.texts.includes('from new')", "text from the demo page")
    old.js("old.channel.send('from old')")
    new.receives("from old")
