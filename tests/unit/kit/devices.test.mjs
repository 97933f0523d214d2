// devices.js with cameras that the test plugs in and out. Each test's name says what a user loses if it fails.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { Devices } from "../../../signald/web/static/devices.js";

class Track extends EventTarget {
  readyState = "live";
  enabled = true;

  constructor(kind, asked) {
    super();
    Object.assign(this, { kind, asked });
  }

  stop() {
    this.readyState = "ended";
  }

  /** As a device that is pulled out. */
  unplug() {
    this.stop();
    this.onended?.();
  }
}

class Stream {
  constructor(tracks = []) {
    this.tracks = tracks;
  }

  getTracks() {
    return [...this.tracks];
  }

  addTrack(track) {
    this.tracks.push(track);
  }

  removeTrack(track) {
    this.tracks = this.tracks.filter((each) => each !== track);
  }
}

const BOTH = { audio: true, video: { facingMode: "user" } };

let plugged, asked, given, browser, changes, devices;

/** The browser's answer to whoever asks; the test may hold it back. */
async function getUserMedia(constraints) {
  asked.push(constraints);
  await browser.answers;
  if (browser.refuses) throw Object.assign(new Error("refused"), { name: "NotAllowedError" });
  const kinds = Object.keys(constraints).filter((kind) => constraints[kind]);
  if (!kinds.every((kind) => plugged.has(kind))) throw Object.assign(new Error("none"), { name: "NotFoundError" });
  const stream = new Stream(kinds.map((kind) => new Track(kind, constraints[kind])));
  given.push(...stream.tracks);
  return stream;
}

const settled = () => new Promise(setImmediate);
const track = (kind) => devices.stream.tracks.find((each) => each.kind === kind);

beforeEach(() => {
  [plugged, asked, given, changes] = [new Set(["audio", "video"]), [], [], 0];
  browser = Object.assign(new EventTarget(), { getUserMedia });
  Object.defineProperty(globalThis, "navigator", { value: { mediaDevices: browser }, configurable: true });
  globalThis.MediaStream = Stream;
  devices = new Devices(() => (changes += 1));
});
afterEach(() => delete globalThis.MediaStream);

test("without a camera there is at least a voice", async () => {
  plugged.delete("video");
  await devices.open(BOTH);
  assert.deepEqual(devices.stream.tracks.map(({ kind }) => kind), ["audio"]);
  assert.equal(devices.problem.name, "NotFoundError");
});

test("who refuses is not asked a second time, and can still receive", async () => {
  browser.refuses = true;
  await devices.open(BOTH);
  assert.equal(asked.length, 1);
  assert.equal(devices.stream, null);
  assert.equal(devices.problem.name, "NotAllowedError");
  browser.dispatchEvent(new Event("devicechange"));
  await settled();
  assert.equal(asked.length, 1);
});

test("an unplugged camera is replaced by another, or by itself when it is back", async () => {
  await devices.open(BOTH);
  const { stream } = devices;
  track("video").unplug();
  await settled();
  assert.deepEqual([track("video").readyState, asked.at(-1)], ["live", { video: true }]);
  plugged.delete("video");
  track("video").unplug();
  await settled();
  assert.deepEqual([track("video").readyState, devices.problem.name], ["ended", "NotFoundError"]);
  plugged.add("video");
  browser.dispatchEvent(new Event("devicechange"));
  await settled();
  assert.deepEqual([track("video").readyState, devices.problem], ["live", null]);
  assert.equal(devices.stream, stream, "the page shows the one of before");
  const { length } = asked;
  browser.dispatchEvent(new Event("devicechange"));
  await settled();
  assert.equal(asked.length, length, "nothing was missing");
});

test("what is switched off stays off, whatever device comes", async () => {
  devices.turn("video", false);
  await devices.open(BOTH);
  assert.deepEqual([track("audio").enabled, track("video").enabled], [true, false]);
  await devices.use({ video: { deviceId: { exact: "other" } } });
  assert.deepEqual([track("video").asked, track("video").enabled], [{ deviceId: { exact: "other" } }, false]);
  assert.deepEqual(given.map(({ readyState }) => readyState), ["live", "ended", "live"]);
  devices.turn("video", true);
  assert.equal(track("video").enabled, true);
  assert.deepEqual(devices.on, { audio: true, video: true });
  assert.ok(changes >= 4);
});

test("a lamp never stays on: not after the end, nor when that came before the camera", async () => {
  await devices.open(BOTH);
  devices.close();
  let answer;
  browser.answers = new Promise((resolve) => (answer = resolve));
  const opening = devices.open(BOTH);
  devices.close();
  answer();
  await opening;
  const late = devices.open(BOTH);
  const again = devices.open({ audio: true });
  await Promise.all([late, again]);
  assert.deepEqual(devices.stream.tracks.map(({ kind }) => kind), ["audio"]);
  devices.close();
  assert.equal(given.filter(({ readyState }) => readyState === "live").length, 0);
  assert.equal(given.length, 7);
});

test("a stream that the page has made is its own: it goes on after the call", async () => {
  const stream = new Stream([new Track("audio")]);
  await devices.open(stream);
  assert.equal(devices.stream, stream);
  devices.close();
  assert.equal(stream.tracks[0].readyState, "live");
  assert.equal(asked.length, 0);
});
