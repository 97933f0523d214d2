// signaling.js against a server that the test plays. Each test's name says what a user loses if it fails.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { SignalingClient } from "../../../signald/web/static/signaling.js";
import { Browser, Clock, Server } from "./fakes.mjs";

const READY = { type: "ready", clientId: "me", resume: { token: "t1", seconds: 30 } };
const MATCHED = { type: "matched", roomId: "r1", partnerId: "p1", initiator: true, resume: { token: "t2", seconds: 30 } };
const RESUMED = { type: "resumed", clientId: "me", state: "idle", received: 0, lost: false };
const NEXT_TOKEN = { token: "t3", seconds: 30 };
const REFUSED = { type: "error", code: "RESUME_FAILED", message: "no such session" };

let clock, server, client, events;

function make(options = {}) {
  const made = new SignalingClient("ws://test/ws", { WebSocket: server.WebSocket, ...options });
  const told = [];
  for (const type of [
    ...["open", "close", "reconnecting", "ready", "resumed", "matched", "offer", "answer", "ice"],
    ...["partner-left", "partner-away", "partner-back", "error", "pong"],
  ]) {
    made.on(type, (detail) => told.push([type, detail]));
  }
  return [made, told];
}

/** What a resume looks like; the nonce is not to be known before. */
const resume = (token, received, more = {}) => {
  const { nonce, attempt } = server.socket.heard[0];
  assert.match(nonce, /^\w{8,64}$/);
  assert.ok(attempt >= 1);
  return { type: "resume", token, received, nonce, attempt, ...more };
};
const names = () => events.map(([type]) => type);
const last = (type) => events.findLast(([name]) => name === type)?.[1];

/** A client in a call. */
function inCall(options) {
  [client, events] = make(options);
  client.connect();
  server.socket.open().say(READY);
  client.available();
  server.socket.say(MATCHED);
}

/** The next attempt to connect. */
function attempt() {
  while (server.socket.readyState !== 0) clock.advance(50);
  return server.socket;
}

/** The connection is lost, and there is another. */
function reconnect() {
  server.socket.end();
  return attempt().open();
}

beforeEach(() => {
  clock = new Clock();
  server = new Server();
  [client, events] = make();
});
afterEach(() => clock.restore());

test("without the subprotocol the server resumes nothing", () => {
  client.connect();
  assert.deepEqual(server.socket.protocols, ["signald.v1"]);
});

test("a lost connection is resumed with the newest token, before anything else is said", () => {
  inCall();
  server.socket.say({ type: "offer", from: "p1", sdp: "o" });
  const socket = reconnect();
  assert.deepEqual(socket.heard, [resume("t2", 2)]);
  client.ping();
  socket.say({ type: "ready", clientId: "new", resume: { token: "x", seconds: 30 } });
  assert.equal(socket.heard.length, 1, "something was said before the server had let the session in");
  socket.say({ ...RESUMED, state: "paired", roomId: "r1", partnerId: "p1", partner: "here", received: 1, resume: NEXT_TOKEN });
  assert.deepEqual(socket.heard.slice(1), [{ type: "ping" }]);
  assert.equal(client.clientId, "me");
  assert.equal(last("resumed").initiator, true);
  assert.equal(names().filter((name) => name === "ready").length, 1);
  const again = reconnect();
  assert.equal(again.heard[0].token, "t3");
});

test("an attempt that fails is over at once, also where nothing but an error tells of it", () => {
  inCall();
  server.socket.end();
  const [failed, before] = [attempt(), clock.now];
  failed.fail();
  attempt().open();
  assert.ok(clock.now - before < 4_500, "it waited for an attempt that was over");
  failed.end(); // As browsers say, too.
  server.socket.onerror({}); // Its `close` follows, with a code.
  assert.equal(names().filter((name) => name === "close").length, 2);
});

test("a message may name another room than the one of the moment", () => {
  inCall();
  client.request({ type: "next", roomId: "r0" });
  assert.equal(server.socket.heard.at(-1).roomId, "r0");
});

test("what the server has not had is sent again, once and in order", () => {
  inCall();
  client.offer("1");
  client.ice({ candidate: "2" });
  client.ice({ candidate: "3" });
  server.socket.end();
  assert.ok(client.ice({ candidate: "4" }));
  // It has had `available` and the offer.
  attempt().open().say(READY, { ...RESUMED, state: "paired", roomId: "r1", received: 2, resume: NEXT_TOKEN });
  assert.deepEqual(
    server.socket.heard.slice(1).map(({ candidate }) => candidate.candidate),
    ["2", "3", "4"],
  );
  // From then on the count is that of the server: it has had five, and loses none.
  const socket = reconnect();
  socket.say(READY, { ...RESUMED, state: "paired", roomId: "r1", received: 5, resume: NEXT_TOKEN });
  assert.equal(socket.heard.length, 1);
  assert.equal(last("resumed").lost, false);
});

test("every message counts, also those that this client does not know, but ready and resumed", () => {
  inCall();
  server.socket.say({ type: "error", code: "RATE_LIMIT", message: "" }, { type: "of-tomorrow" });
  const socket = reconnect();
  assert.equal(socket.heard[0].received, 3);
  socket.say(READY, { ...RESUMED, state: "paired", roomId: "r1", received: 1, resume: NEXT_TOKEN });
  socket.say({ type: "partner-away", seconds: 30 }, { type: "partner-back", lost: false });
  assert.equal(reconnect().heard[0].received, 5);
});

test("what a pong has confirmed is not kept, and an idle client keeps nothing", () => {
  inCall();
  client.offer("1");
  client.ping();
  client.ice({ candidate: "late" });
  server.socket.say({ type: "pong" });
  // A server that has lost the session's last messages says less than it has confirmed: nothing older is at hand.
  const socket = reconnect();
  socket.say(READY, { ...RESUMED, state: "paired", roomId: "r1", received: 3, resume: NEXT_TOKEN });
  assert.deepEqual(socket.heard.slice(1), [{ type: "ice", candidate: { candidate: "late" }, roomId: "r1" }]);
  assert.equal(last("resumed").lost, false);
  const again = reconnect();
  again.say(READY, { ...RESUMED, state: "paired", roomId: "r1", received: 1, resume: NEXT_TOKEN });
  assert.equal(last("resumed").lost, true, "messages are missing, and nobody says so");
});

test("a client that sends much asks early what has arrived, so that its memory is bounded", () => {
  inCall();
  for (let i = 0; i < 1_000; i += 1) {
    client.ice({ candidate: String(i) });
    if (server.socket.heard.at(-1).type === "ping") server.socket.say({ type: "pong" });
  }
  const pings = server.socket.heard.filter(({ type }) => type === "ping").length;
  assert.ok(pings >= 1_000 / 256 && pings <= 1_000 / 32, `${pings} pings`);
  const sent = server.socket.heard.length;
  const socket = reconnect();
  socket.say(READY, { ...RESUMED, state: "paired", roomId: "r1", received: sent, resume: NEXT_TOKEN });
  assert.equal(last("resumed").lost, false);
});

test("more than can be kept while away is a loss that is told", () => {
  inCall();
  server.socket.end();
  for (let i = 0; i < 300; i += 1) client.report({ reason: String(i) });
  const socket = attempt().open();
  socket.say(READY, { ...RESUMED, state: "paired", roomId: "r1", received: 1, resume: NEXT_TOKEN });
  assert.equal(last("resumed").lost, true);
  assert.equal(socket.heard.at(-1).reason, "299");
  assert.ok(socket.heard.length <= 257);
});

test("an attempt whose answer was lost is made again with the same token and nonce, as a later one", () => {
  inCall();
  const first = reconnect().heard[0];
  const second = reconnect().heard[0];
  assert.deepEqual(second, { ...first, attempt: first.attempt + 1 });
  server.socket.say(READY, { ...RESUMED, state: "paired", roomId: "r1", received: 1, resume: NEXT_TOKEN });
  assert.notEqual(reconnect().heard[0].nonce, first.nonce);
});

test("who waits keeps the place, though nobody but itself remembers it", () => {
  client.connect();
  server.socket.open().say(READY);
  client.available();
  clock.advance(10_000);
  client.available();
  const { waited } = reconnect().heard[0];
  assert.ok(waited >= 10 && waited <= 14, `waited ${waited} s`);
});

test("after a loss no old signal is sent, but what the user did is", () => {
  inCall();
  client.offer("1");
  client.report({ reason: "spam" });
  client.ice(null);
  client.next();
  const socket = reconnect();
  socket.say(READY, { ...RESUMED, state: "paired", roomId: "r1", received: 0, lost: true, resume: NEXT_TOKEN });
  assert.deepEqual(socket.heard.slice(1).map(({ type }) => type), ["available", "report", "next"]);
});

test("a session that is gone makes a new client, and one that waited waits again", () => {
  [client, events] = make();
  client.connect();
  server.socket.open().say(READY);
  client.available();
  const socket = reconnect();
  socket.say({ type: "ready", clientId: "new", resume: { token: "n", seconds: 30 } }, REFUSED);
  assert.equal(client.clientId, "new");
  assert.equal(last("ready").before, "waiting");
  assert.deepEqual(socket.heard.slice(1), [{ type: "available" }]);
  assert.ok(!names().includes("error"), "the page is told of an error that is none of its own");
  // The refusal is the first message of the new session.
  const { token, received } = reconnect().heard[0];
  assert.deepEqual([token, received], ["n", 1]);
});

test("whoever is looked for again is somebody whom the user wants to meet, with each new client and after a reload", () => {
  inBrowser((browser, options) => {
    const wishes = { pool: "p", is: { lang: ["en"] }, likes: ["chess"] };
    [client, events] = make(options);
    client.connect();
    server.socket.open().say(READY);
    client.available(wishes);
    client.available(); // Harmless while waiting: as the server, the client knows those of before.
    reconnect().say({ ...READY, clientId: "b", resume: NEXT_TOKEN }, REFUSED);
    assert.deepEqual(server.socket.heard.at(-1), { type: "available", ...wishes });
    server.socket.say(MATCHED);
    client.next();
    reconnect().say({ ...READY, clientId: "c", resume: NEXT_TOKEN }, REFUSED);
    assert.deepEqual(server.socket.heard.at(-1), { type: "available", ...wishes });
    server.socket.say(MATCHED);
    client.next({ likes: ["go"] });
    client.next({ likes: ["a second click"] }); // Of the room that has been left: the server drops it.
    browser.tell("pagehide");
    browser.navigation = "reload";
    [client, events] = make(options);
    client.connect();
    server.socket.open().say({ ...READY, clientId: "d" }, REFUSED);
    assert.deepEqual(server.socket.heard.slice(1), [{ type: "available", likes: ["go"] }]);
    client.leave();
    client.available();
    assert.deepEqual(client.wishes, {}, "who begins to wait without a word wants to meet anybody");
  });
});

test("a page is told of what a match came of, and that it waits on", () => {
  [client, events] = make();
  client.on("waiting", (detail) => events.push(["waiting", detail]));
  client.connect();
  server.socket.open().say(READY);
  client.available({ likes: ["chess"] });
  server.socket.say({ type: "waiting", seconds: 5, atLeast: 10 });
  assert.equal(last("waiting").atLeast, 10);
  assert.equal(client.state, "waiting");
  server.socket.say({ ...MATCHED, common: { likes: ["chess"], relaxed: [] } });
  assert.deepEqual(last("matched").common.likes, ["chess"]);
});

test("who was in a call whose session is gone decides by itself, for the call may go on", () => {
  inCall();
  const socket = reconnect();
  socket.say({ ...READY, clientId: "new" }, REFUSED);
  assert.equal(last("ready").before, "paired");
  assert.equal(socket.heard.length, 1);
  assert.ok(client.offer("1"));
  assert.equal("roomId" in socket.heard[1], false, "a message for a room that is gone");
});

test("Next and signals name their room, so that they never reach the next partner", () => {
  inCall();
  client.offer("1");
  client.answer("2");
  client.ice(null);
  client.next();
  assert.deepEqual(
    server.socket.heard.slice(1).map(({ type, roomId }) => [type, roomId]),
    [["offer", "r1"], ["answer", "r1"], ["ice", "r1"], ["next", "r1"]],
  );
  server.socket.say({ ...MATCHED, roomId: "r2" });
  client.leave(); // Whatever room there is by then.
  assert.deepEqual(server.socket.heard.at(-1), { type: "leave" });
});

test("Next pressed twice leaves one partner: the stranger who comes in between was seen by nobody", () => {
  inCall();
  client.next();
  client.next();
  client.next();
  assert.deepEqual(server.socket.heard.slice(1), Array(3).fill({ type: "next", roomId: "r1" }));
  server.socket.say({ ...MATCHED, roomId: "r2" });
  client.next();
  assert.equal(server.socket.heard.at(-1).roomId, "r2");
  // Without a room the server has to say so; then this side waits anew.
  server.socket.say({ type: "error", code: "NOT_PAIRED", message: "" });
  client.next();
  assert.equal("roomId" in server.socket.heard.at(-1), false);
  server.socket.say({ ...MATCHED, roomId: "r3" }, { type: "partner-left" });
  client.next();
  assert.equal("roomId" in server.socket.heard.at(-1), false);
});

test("Next pressed while the server is away is done when it is back", () => {
  inCall();
  server.socket.end();
  assert.ok(client.next());
  attempt().open().say(READY, { ...RESUMED, state: "paired", roomId: "r1", partnerId: "p1", received: 1, resume: NEXT_TOKEN });
  assert.deepEqual(server.socket.heard.at(-1), { type: "next", roomId: "r1" });
  assert.equal(client.state, "waiting");
  assert.equal(last("resumed").initiator, undefined);
});

test("what the server says of the state counts, though a ping was under way", () => {
  inCall();
  client.check();
  clock.advance(3_500);
  attempt().open().say(READY, { ...RESUMED, state: "idle", received: 1, lost: true, resume: NEXT_TOKEN });
  assert.equal(client.state, "idle");
  client.offer("1");
  assert.equal("roomId" in server.socket.heard.at(-1), false);
});

test("a server that cannot resume makes a new client each time, and keeps nothing", () => {
  client.connect();
  server.socket.open().say({ type: "ready", clientId: "a" });
  server.socket.end();
  assert.equal(client.available(), false);
  assert.equal(client.clientId, null);
  attempt().open().say({ type: "ready", clientId: "b" });
  assert.deepEqual(server.socket.heard, []);
  assert.equal(client.clientId, "b");
});

for (const code of [1008, 4001]) {
  test(`after ${code} the client stays out, or two would throw each other out for ever`, () => {
    inCall();
    server.socket.end(code, "told");
    clock.advance(60_000);
    assert.equal(server.sockets.length, 1);
    assert.deepEqual(last("close"), { code, reason: "told", refusal: null, willReconnect: false });
    assert.equal(client.clientId, null);
    assert.equal(clock.timers, 0);
  });
}

test("a client whose wishes were refused does not take itself for one that waits", () => {
  client.connect();
  server.socket.open().say(READY);
  client.available({ likes: "chess" });
  assert.equal(client.state, "waiting");
  server.socket.refuse("INVALID_FORMAT", "likes");
  assert.equal(client.state, "idle");
  assert.deepEqual(client.wishes, {});
  client.available({ likes: ["chess"] });
  server.socket.ok();
  client.available({ likes: 7 }); // Waiting already: the wishes of before hold.
  server.socket.refuse("INVALID_FORMAT", "likes");
  assert.equal(client.state, "waiting");
  assert.deepEqual(client.wishes, { likes: ["chess"] });
  server.socket.say(MATCHED);
  client.next({ likes: 7 });
  server.socket.refuse("INVALID_FORMAT", "likes");
  assert.equal(client.state, "paired");
  client.next();
  assert.deepEqual(server.socket.heard.at(-1), { type: "next", roomId: "r1" });
  server.socket.refuse("NOT_PAIRED"); // The partner had just left.
  assert.equal(client.state, "idle");
});

test("a partner of before is not sent what only makes the server refuse it", () => {
  inCall();
  assert.equal(client.data({ typing: true }), false);
  server.socket.say({ ...MATCHED, roomId: "r2", data: true });
  assert.ok(client.data({ typing: true }));
  assert.deepEqual(server.socket.heard.slice(1), [{ type: "data", data: { typing: true }, roomId: "r2" }]);
});

test("two tabs of a browser tell the server so with every search, and that is no wish", () => {
  [client, events] = make({ browser: "of-this-browser-1" });
  client.connect();
  server.socket.open().say(READY);
  client.available({ likes: ["chess"] });
  server.socket.say(MATCHED);
  client.next();
  assert.deepEqual(server.socket.heard.map(({ browser }) => browser), ["of-this-browser-1", "of-this-browser-1"]);
  assert.deepEqual(client.wishes, { likes: ["chess"] });
});

test("an answer that comes is a message that need not be kept, and one of before a reload is nobody's", () => {
  inCall();
  server.socket.ok();
  client.report({ reason: "spam" });
  const socket = reconnect();
  socket.say(READY, { ...RESUMED, state: "paired", roomId: "r1", received: 1, resume: NEXT_TOKEN });
  assert.deepEqual(socket.heard.slice(1), [{ type: "report", reason: "spam" }]);
  assert.deepEqual(socket.asked, [2], "an id was given to two messages");
  assert.equal(last("resumed").lost, false);
});

test("goodbye says when to be back, so that the clients of one server do not come all at once", () => {
  inCall();
  server.socket.say({ type: "goodbye", action: "resume", afterMs: 7_000, reason: "stopping" }).end(1012);
  assert.equal(last("reconnecting").delayMs, 7_000);
  clock.advance(6_990);
  assert.equal(server.sockets.length, 1);
  const socket = attempt().open();
  assert.equal(socket.heard[0].type, "resume");
  // It comes again, and nobody closes; then the network is lost.
  socket.say(READY, { ...RESUMED, state: "paired", roomId: "r1", received: 1, resume: NEXT_TOKEN });
  socket.say({ type: "goodbye", action: "stay-out", afterMs: 0, reason: "kicked" }).end();
  assert.equal(last("close").willReconnect, true);
  attempt().open().say(READY, { ...RESUMED, state: "paired", roomId: "r1", received: 1, resume: NEXT_TOKEN });
  server.socket.say({ type: "goodbye", action: "stay-out", afterMs: 0, reason: "kicked" }).end(1008);
  assert.equal(last("close").willReconnect, false);
});

test("who waited and is to come back as a new client waits again", () => {
  client.connect();
  server.socket.open().say(READY);
  client.available({ likes: ["chess"] });
  server.socket.say({ type: "goodbye", action: "reconnect", afterMs: 100, reason: "stopping" }).end(1001);
  assert.equal(client.clientId, null);
  const socket = attempt().open().say({ ...READY, clientId: "new" });
  assert.equal(last("ready").before, "waiting");
  assert.deepEqual(socket.heard, [{ type: "available", likes: ["chess"] }]);
  assert.deepEqual(client.wishes, { likes: ["chess"] });
});

test("a server that is full is asked again, and one that does not want this client is not", () => {
  const full = [
    { type: "error", code: "FULL", message: "" },
    { type: "goodbye", action: "reconnect", afterMs: 5_000, reason: "full" },
  ];
  client.connect();
  server.socket.open().say(...full).end(4503, "full");
  assert.deepEqual([last("close").willReconnect, last("close").refusal.code], [true, "FULL"]);
  assert.equal(last("reconnecting").delayMs, 5_000);
  attempt().open().say(READY);
  client.available();
  server.socket.end();
  attempt().open().say(...full).end(4503, "full"); // A session is not over because there is no place just now.
  assert.equal(last("close").refusal.code, "FULL");
  assert.equal(attempt().open().heard[0].type, "resume");
  const many = { type: "error", code: "TOO_MANY_OF_USER", message: "" };
  server.socket.say(READY, REFUSED, many, { type: "goodbye", action: "stay-out", afterMs: 0, reason: "too-many" }).end(4409);
  assert.deepEqual([last("close").willReconnect, last("close").refusal.code], [false, "TOO_MANY_OF_USER"]);
  for (const code of [4400, 4401, 4403, 4409]) {
    const [refused] = make();
    refused.connect();
    server.socket.open().end(code);
    const { length } = server.sockets;
    clock.advance(60_000);
    assert.equal(server.sockets.length - length, 0, `back after ${code}`);
  }
});

test("after 1012 the client is back within half a second, whatever failed before", () => {
  client.connect();
  for (let i = 0; i < 6; i += 1) {
    server.socket.end();
    attempt();
  }
  server.socket.open().say(READY);
  const before = server.sockets.length;
  server.socket.end(1012);
  clock.advance(500);
  assert.equal(server.sockets.length, before + 1);
});

test("pauses grow, and stay short while the session can be resumed", () => {
  const attempts = (ms) => {
    const before = server.sockets.length;
    const end = clock.now + ms;
    while (clock.now < end) {
      clock.advance(100);
      if (server.socket.readyState === 0) server.socket.end();
    }
    return server.sockets.length - before;
  };
  client.connect();
  server.socket.end();
  const fruitless = attempts(600_000);
  assert.ok(fruitless > 600 / 15 && fruitless < 400, `${fruitless} attempts in ten minutes`);
  attempt().open().say(READY);
  server.socket.end();
  assert.ok(attempts(30_000) >= 30 / 4 - 1);
});

test("a connection that never comes to ready is given up", () => {
  client.connect();
  server.socket.open();
  clock.advance(10_000);
  assert.equal(server.socket.closedWith, 4000);
  clock.advance(500);
  assert.equal(server.sockets.length, 2);
});

test("an attempt to resume that hangs in a network that was is given up sooner", () => {
  inCall();
  server.socket.end();
  attempt();
  const before = server.sockets.length;
  clock.advance(5_000 + 1_000);
  assert.equal(server.sockets.length, before + 1);
});

test("a silent server is noticed, and the session goes on over another connection", () => {
  inCall();
  clock.advance(25_000);
  assert.deepEqual(server.socket.heard.at(-1), { type: "ping" });
  server.socket.say({ type: "pong" });
  clock.advance(24_000);
  assert.equal(server.socket.heard.filter(({ type }) => type === "ping").length, 1);
  clock.advance(12_000);
  assert.equal(server.sockets[0].closedWith, 4000);
  assert.equal(attempt().open().heard[0].type, "resume");
});

test("check() finds a dead connection within 3 s, and leaves a live one alone", () => {
  inCall();
  client.check();
  server.socket.say({ type: "pong" });
  clock.advance(5_000);
  assert.equal(client.connected, true);
  client.check();
  clock.advance(3_500);
  assert.equal(client.connected, false);
});

test("a laptop that slept checks its connection as soon as it wakes", () => {
  inCall();
  for (const ms of [20_000, 300_000]) {
    const { length } = server.socket.heard;
    clock.sleep(ms);
    assert.deepEqual(server.socket.heard.slice(length), [{ type: "ping" }]);
    server.socket.say({ type: "pong" });
    clock.advance(4_000);
    assert.equal(client.connected, true, "a connection that had outlived the sleep was given up");
  }
  clock.sleep(300_000);
  clock.advance(3_500);
  assert.equal(client.connected, false);
});

test("a hidden tab whose timers come once a minute neither loses a good connection nor keeps a dead one", () => {
  inCall();
  for (let minute = 0; minute < 10; minute += 1) {
    clock.sleep(60_000); // One turn for all timers that are due; then what has come is read.
    if (server.socket.heard.at(-1).type === "ping") server.socket.say({ type: "pong" });
    assert.equal(client.connected, true);
  }
  for (let minute = 0; minute < 4; minute += 1) clock.sleep(60_000);
  assert.notEqual(server.sockets[0].closedWith, undefined);
});

test("close() and connect() begin anew, without a timer or listener left over", () => {
  inCall();
  client.close();
  assert.equal(server.socket.closedWith, 1000);
  assert.equal(clock.timers, 0);
  client.connect();
  server.socket.open().say({ ...READY, clientId: "new" });
  assert.deepEqual(server.socket.heard, []);
  assert.equal(client.clientId, "new");
});

test("an address that is none is refused, and the next connect() works", () => {
  const wrong = new SignalingClient("nonsense", { WebSocket: server.WebSocket });
  assert.throws(() => wrong.connect(), SyntaxError);
  assert.throws(() => wrong.connect(), SyntaxError);
  assert.equal(clock.timers, 0);
  assert.throws(() => new SignalingClient(), /outside a browser/);
  const own = globalThis.WebSocket;
  globalThis.WebSocket = undefined; // As in Node 20.
  assert.throws(() => new SignalingClient("ws://test/ws").connect(), /no WebSocket/);
  globalThis.WebSocket = own;
});

test("a listener that throws disturbs neither the others nor the connection", () => {
  const real = globalThis.queueMicrotask;
  let later;
  globalThis.queueMicrotask = (run) => (later = run);
  client.on("ready", () => {
    throw new Error("of the page");
  });
  const heard = [];
  client.on("ready", () => heard.push("other"));
  client.connect();
  server.socket.open().say(READY);
  globalThis.queueMicrotask = real;
  assert.deepEqual(heard, ["other"]);
  assert.throws(later, /of the page/); // Reported by the runtime as uncaught.
});

test("on() ends by its answer, by a signal, and after once", () => {
  const heard = [];
  const ended = new AbortController();
  const stop = client.on("pong", () => heard.push("stopped"));
  client.on("pong", () => heard.push("signal"), { signal: ended.signal });
  client.on("pong", () => heard.push("once"), { once: true });
  client.connect();
  server.socket.open().say(READY, { type: "pong" });
  stop();
  ended.abort();
  server.socket.say({ type: "pong" });
  assert.deepEqual(heard, ["stopped", "signal", "once"]);
});

// In a browser.

function inBrowser(run, navigation) {
  const browser = new Browser().enter({ navigation });
  try {
    run(browser, { storage: browser.sessionStorage });
  } finally {
    client.close();
    browser.leave();
  }
}

test("back online, the connection is checked within 3 s", () => {
  inBrowser((browser) => {
    inCall();
    browser.tell("online");
    assert.deepEqual(server.socket.heard.at(-1), { type: "ping" });
    clock.advance(3_500);
    assert.equal(client.connected, false);
  });
});

test("offline, the connection is given up; online, another is there at once", () => {
  inBrowser((browser) => {
    inCall();
    browser.tell("offline");
    assert.equal(server.socket.closedWith, 4000);
    clock.advance(20_000); // An attempt hangs in the network that was.
    const before = server.sockets.length;
    browser.tell("online");
    assert.equal(server.sockets.length, before + 1);
    assert.equal(server.socket.open().heard[0].type, "resume");
  });
});

for (const type of ["visibilitychange", "resume"]) {
  test(`a page that is looked at again (${type}) checks its connection`, () => {
    inBrowser((browser) => {
      inCall();
      browser.tell(type);
      assert.deepEqual(server.socket.heard.at(-1), { type: "ping" });
    });
  });
}

test("a reload goes on with the session, and the signals of the call before are not sent again", () => {
  inBrowser((browser, options) => {
    inCall(options);
    server.socket.say({ type: "offer", from: "p1", sdp: "o" });
    client.answer("of the page before");
    client.report({ reason: "spam", partnerId: "p1" });
    browser.tell("pagehide");
    assert.equal(server.socket.closedWith, 4002);
    browser.navigation = "reload";
    [client, events] = make(options);
    assert.equal(client.inherited, true);
    client.connect();
    assert.deepEqual(server.socket.open().heard, [resume("t2", 2)]);
    server.socket.say(READY, { ...RESUMED, state: "paired", roomId: "r1", partnerId: "p1", received: 1, resume: NEXT_TOKEN });
    assert.deepEqual(server.socket.heard.slice(1).map(({ type }) => type), ["report"]);
    assert.equal(last("resumed").initiator, true);
    client.offer("anew");
    assert.deepEqual(server.socket.heard.at(-1), { type: "offer", sdp: "anew", roomId: "r1" });
    // The server counts what it was sent: `available`, `report`, `offer`.
    assert.equal(reconnect().heard.length, 1);
    server.socket.say(READY, { ...RESUMED, state: "paired", roomId: "r1", received: 3, resume: NEXT_TOKEN });
    assert.equal(server.socket.heard.length, 1);
  });
});

test("a page that the browser kept is checked when it is shown again, also without a storage", () => {
  inBrowser((browser) => {
    inCall();
    browser.tell("pagehide");
    browser.tell("pageshow", { persisted: true });
    assert.deepEqual(server.socket.heard.at(-1), { type: "ping" });
    clock.advance(3_500);
    attempt();
    assert.equal(server.sockets.length, 2);
  });
});

test("a second tab, a copy of the first, does not take the first one's session", () => {
  inBrowser((browser, options) => {
    inCall(options);
    const copy = new Browser().enter({ navigation: "back_forward" });
    copy.storage = new Map(browser.storage);
    const [second] = make({ storage: copy.sessionStorage });
    assert.equal(second.inherited, false);
    browser.enter();
  });
});

test("another visit in the same tab begins anew", () => {
  inBrowser((browser, options) => {
    inCall(options);
    browser.tell("pagehide");
    browser.navigation = "navigate";
    const [second] = make(options);
    assert.equal(second.inherited, false);
    browser.navigation = "reload";
    assert.equal(make(options)[0].inherited, false, "an old session was found after another visit");
  });
});

test("a page that the browser kept goes on when it is shown again", () => {
  inBrowser((browser, options) => {
    inCall(options);
    browser.tell("pagehide");
    clock.sleep(8_000);
    assert.equal(server.sockets.length, 1);
    browser.tell("pageshow", { persisted: true });
    assert.deepEqual(server.socket.open().heard, [resume("t2", 1)]);
    // Once more, but meanwhile another page in this tab has taken the session.
    browser.tell("pagehide");
    browser.storage.clear();
    browser.tell("pageshow", { persisted: true });
    assert.deepEqual(server.socket.open().heard, []);
  });
});

test("a session that is too old to be resumed is not asked for", () => {
  inBrowser((browser, options) => {
    inCall(options);
    browser.tell("pagehide");
    clock.sleep(31_000);
    browser.navigation = "reload";
    assert.equal(make(options)[0].inherited, false);
  });
});

test("Leave leaves nothing behind that a reload would bring back", () => {
  inBrowser((browser, options) => {
    inCall(options);
    client.leave();
    client.close();
    browser.tell("pagehide");
    assert.equal(browser.storage.size, 0);
  });
});

test("a storage that is full, forbidden or holds something else costs the reload, not the page", () => {
  inBrowser((browser) => {
    const found = ["{nonsense", "{}", "[1]"];
    const forbidden = {
      getItem: () => found.shift() ?? null,
      removeItem: () => {},
      setItem() {
        throw new Error("QuotaExceededError");
      },
    };
    browser.navigation = "reload";
    for (const _ of [...found]) assert.equal(make({ storage: forbidden })[0].inherited, false);
    inCall({ storage: forbidden });
    browser.tell("pagehide");
    assert.equal(server.socket.closedWith, 4002);
  });
});

const challenge = (turn) => ({
  ...{ type: "challenge", algorithm: "SHA-256", challenge: "00".repeat(32), salt: `a?turn=${turn}&` },
  ...{ maxnumber: 50_000, signature: "s", expires: 1_900_000_000 },
});

/** Workers that find what the test says. */
async function withWorkers(run) {
  const working = new Set();
  let made = () => {};
  globalThis.Worker = class {
    constructor() {
      working.add(this);
      made(this);
    }
    postMessage() {}
    terminate() {
      working.delete(this);
    }
  };
  try {
    await run(working, () => new Promise((resolve) => (made = resolve)));
  } finally {
    delete globalThis.Worker;
  }
}

test("only the last challenge is worked on: a phone would work for those before it, too, and for sessions that are over", () =>
  withWorkers(async (working, nextWorker) => {
    client.connect();
    server.socket.open().say(READY);
    let begun = nextWorker();
    server.socket.say(challenge(1));
    const first = await begun;
    begun = nextWorker();
    server.socket.say(challenge(2));
    const second = await begun;
    assert.deepEqual([...working], [second]);
    first.onmessage({ data: 7 });
    second.onmessage({ data: 8 });
    await new Promise(setImmediate);
    assert.deepEqual(server.socket.heard.map(({ type, salt, number }) => [type, salt, number]), [["proof", "a?turn=2&", 8]]);
    begun = nextWorker();
    server.socket.say(challenge(3));
    await begun;
    client.close();
    assert.equal(working.size, 0);
  }));

test("work that failed is tried again when somebody presses Start again: the server asks for no other for two minutes", () =>
  withWorkers(async (_, nextWorker) => {
    client.connect();
    server.socket.open().say(READY);
    client.available();
    let begun = nextWorker();
    server.socket.say(challenge(1));
    (await begun).onmessage({ data: null });
    await new Promise(setImmediate);
    server.socket.say({ type: "error", code: "CHALLENGE_REQUIRED", message: "no proof has come" });
    begun = nextWorker();
    client.available();
    (await begun).onmessage({ data: 8 });
    await new Promise(setImmediate);
    assert.deepEqual(server.socket.heard.map(({ type, number }) => [type, number]), [["available", undefined], ["available", undefined], ["proof", 8]]);
  }));
