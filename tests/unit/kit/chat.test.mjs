// chat.js over a client whose server the test plays. Each test's name says what a user loses if it fails.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { RandomChat } from "../../../signald/web/static/chat.js";
import { createClient } from "../../../signald/web/static/client.js";
import { Clock, Peers, Server } from "./fakes.mjs";

const READY = { type: "ready", clientId: "me", resume: { token: "t1", seconds: 30 } };
const REFUSED = { type: "error", code: "RESUME_FAILED", message: "" };
const LEFT = { type: "partner-left", reason: "next" };
const matched = (number) => ({ type: "matched", roomId: `r${number}`, partnerId: `p${number}`, initiator: true, data: true });

let clock, server, peers, chat, client;

const settled = () => new Promise(setImmediate);
const types = () => server.socket.heard.map(({ type }) => type);

function make(options) {
  client = createClient({ url: "ws://test/ws", WebSocket: server.WebSocket });
  chat = new RandomChat({ client, media: null, ...options });
}

async function waiting(options) {
  make(options);
  const started = chat.start({ likes: ["chess"] });
  await settled();
  server.socket.open().say(READY);
  await started;
  server.socket.ok();
}

async function inCall(options) {
  await waiting(options);
  server.socket.say(matched(1));
  peers.last.become("connected");
  peers.last.open();
  clock.advance(1_000);
}

/** The connection is lost, and the session with it. */
async function loseSession() {
  server.socket.end();
  clock.advance(4_000);
  server.socket.open().say({ ...READY, clientId: "other" }, REFUSED);
  await settled();
}

beforeEach(() => {
  clock = new Clock();
  server = new Server();
  peers = new Peers();
});
afterEach(() => {
  chat.close();
  clock.restore();
  peers.leave();
});

test("from Start to a call, and out of it again, nothing is left over", async () => {
  await inCall({ rtcConfig: { iceTransportPolicy: "relay" }, release: "7" });
  assert.deepEqual(types(), ["available", "data"]);
  assert.deepEqual(server.socket.heard[0].likes, ["chess"]);
  assert.equal(peers.last.config.iceTransportPolicy, "relay");
  assert.deepEqual([chat.snapshot.state, chat.snapshot.partner.id, chat.snapshot.canText], ["connected", "p1", true]);
  assert.equal(chat.sendText("hello"), true);
  peers.last.channels[0].onmessage({ data: "hi" });
  assert.deepEqual(chat.snapshot.texts, [{ from: "me", text: "hello" }, { from: "partner", text: "hi" }]);
  chat.stop();
  assert.equal(chat.snapshot.state, "idle");
  assert.deepEqual(types().slice(2), ["outcome", "leave"]);
  const { setupMs, durationMs, ...outcome } = server.socket.heard[2];
  const told = { type: "outcome", roomId: "r1", result: "connected", path: "unknown", release: "7" };
  assert.deepEqual([outcome, setupMs, durationMs], [told, 0, 1_000]);
  assert.deepEqual([server.socket.closedWith, peers.last.connectionState, client.state], [1000, "closed", "ended"]);
  assert.equal(clock.timers, 0);
});

test("a call that never came about is told of by both as one that failed, and not by one of them alone", async () => {
  await waiting();
  const results = () => server.socket.heard.filter(({ type }) => type === "outcome").map(({ result }) => result);
  server.socket.say(matched(1));
  clock.advance(14_000);
  chat.next();
  server.socket.ok().say(matched(2));
  clock.advance(16_000);
  server.socket.say(LEFT);
  assert.deepEqual(results(), ["untried", "failed"]);
});

test("who is left, or says Next, meets somebody else", async () => {
  await inCall();
  server.socket.say(LEFT);
  assert.deepEqual([chat.snapshot.state, chat.snapshot.partner, types().at(-1)], ["waiting", null, "available"]);
  server.socket.say(matched(2));
  chat.next(); // The second click, of which the first met somebody.
  assert.equal(chat.snapshot.partner.id, "p2");
  clock.advance(1_000);
  chat.next({ likes: ["go"] });
  const said = server.socket.heard.at(-1);
  assert.deepEqual([said.type, said.roomId, said.likes], ["next", "r2", ["go"]]);
  server.socket.ok(server.socket.asked.length - 1).refuse("NOT_PAIRED");
  await settled();
  assert.deepEqual(server.socket.heard.at(-1).type, "available");
  assert.equal(chat.snapshot.state, "waiting");
});

test("who was taken for asleep says that it is not, and is queued again", async () => {
  await inCall();
  server.socket.say({ type: "partner-left", reason: "silent" });
  assert.deepEqual([types().at(-1), chat.snapshot.state], ["available", "waiting"]);
  assert.deepEqual(server.socket.heard.at(-1).likes, ["chess"]);
});

test("without autoNext nobody is met until the user wants it", async () => {
  await inCall({ autoNext: false });
  server.socket.say(LEFT);
  assert.equal(chat.snapshot.state, "left");
  assert.equal(types().at(-1), "leave");
  server.socket.say(matched(2)); // On its way already.
  assert.equal(chat.snapshot.state, "left");
  chat.next();
  assert.deepEqual([types().at(-1), chat.snapshot.state], ["available", "waiting"]);
});

test("what the partner has switched off is shown, also before there is a channel", async () => {
  await waiting();
  const heard = [];
  chat.on("data", (data) => heard.push(data));
  server.socket.say(matched(1));
  const tell = (data) => server.socket.say({ type: "data", from: "p1", data });
  tell({ "signald.sending": { audio: true, video: false } });
  assert.deepEqual(chat.snapshot.partner.sending, { audio: true, video: false });
  tell({ typing: true });
  assert.deepEqual(heard, [{ typing: true }]);
  peers.last.become("connected");
  peers.last.channels[1].onmessage({ data: '{"audio":false,"video":true}' });
  assert.deepEqual(chat.snapshot.partner.sending, { audio: false, video: true });
  peers.last.channels[1].onmessage({ data: "nonsense" });
  assert.deepEqual(chat.snapshot.partner.sending, { audio: true, video: true });
});

test("a call outlives the session, until the partner closes it", async () => {
  await inCall();
  await loseSession();
  assert.deepEqual([chat.snapshot.state, chat.snapshot.partner.id], ["connected", "p1"]);
  assert.deepEqual(types(), ["resume"]);
  peers.last.end();
  assert.deepEqual([chat.snapshot.state, types().at(-1)], ["waiting", "available"]);
});

test("a gap in a call that the server knows no more is not waited for long", async () => {
  await inCall();
  await loseSession();
  peers.last.become("disconnected");
  assert.equal(chat.snapshot.state, "interrupted");
  clock.advance(5_000);
  assert.equal(chat.snapshot.state, "waiting");
});

test("who waited waits on as a new client, with the same wishes", async () => {
  await waiting();
  await loseSession();
  assert.deepEqual(server.socket.heard.filter(({ type }) => type === "available")[0].likes, ["chess"]);
  assert.equal(chat.snapshot.state, "waiting");
});

test("a server that is away for long is told of, a short loss is not", async () => {
  await inCall();
  server.socket.end();
  clock.advance(1_900);
  assert.equal(chat.snapshot.reachable, true);
  clock.advance(200);
  assert.deepEqual([chat.snapshot.reachable, chat.snapshot.state], [false, "connected"]);
  server.socket.open().say(READY, { type: "resumed", clientId: "me", state: "paired", roomId: "r1", partnerId: "p1", partner: "here", received: 2, lost: false });
  assert.equal(chat.snapshot.reachable, true);
});

test("who cannot be let in hears why, and may try again", async () => {
  make();
  const started = chat.start();
  await settled();
  server.socket.open().say({ type: "error", code: "BANNED", message: "until Sunday" }).end(4403);
  await assert.rejects(started, { code: "BANNED" });
  assert.deepEqual([chat.snapshot.state, chat.snapshot.error.message], ["stopped", "until Sunday"]);
  const again = chat.start();
  await settled();
  server.socket.open().say(READY);
  await again;
  server.socket.refuse("CROWDED", "too many wishes");
  await settled();
  assert.deepEqual([chat.snapshot.state, chat.snapshot.error.code, client.state], ["stopped", "CROWDED", "ended"]);
  assert.equal(clock.timers, 0);
});

test("who asks too fast is not forgotten", async () => {
  make();
  const started = chat.start();
  await settled();
  server.socket.open().say(READY);
  await started;
  server.socket.refuse("RATE_LIMIT");
  await settled();
  clock.advance(1_000);
  assert.deepEqual(types(), ["available", "available"]);
});

test("who cannot wait after all, as the store finds late, is told so and does not wait for ever", async () => {
  await waiting();
  server.socket.say({ type: "error", code: "CROWDED", message: "too many wishes" });
  assert.deepEqual([chat.snapshot.state, chat.snapshot.error.code, client.state], ["stopped", "CROWDED", "ended"]);
});

test("a partner whose connection to the server is lost hears of it over the call, and one that hears it looks for the server", async () => {
  await inCall();
  const [channel] = peers.last.channels.filter(({ label }) => label === "sending");
  server.socket.say({ type: "partner-away", seconds: 30 });
  assert.equal(JSON.parse(channel.sent.at(-1)).away, true);
  const asked = types().length;
  channel.onmessage({ data: '{"audio":true,"video":true,"away":true}' });
  channel.onmessage({ data: '{"audio":true,"video":true,"away":true}' });
  assert.deepEqual(types().slice(asked), ["ping"]);
});
