// client.js, whose requests answer, against a server that the test plays. Each name says what goes wrong if it fails.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { createClient, SignalingError } from "../../../signald/web/static/client.js";
import { Clock, Server } from "./fakes.mjs";

const READY = { type: "ready", clientId: "me", resume: { token: "t1", seconds: 30 } };
const RESUMED = { type: "resumed", clientId: "me", state: "idle", received: 0, lost: false, resume: { token: "t2", seconds: 30 } };
const PONG = { type: "pong" };

let clock, server;

beforeEach(() => {
  clock = new Clock();
  server = new Server();
});
afterEach(() => clock.restore());

/** All promises that can go on have gone on. */
const settled = () => new Promise(setImmediate);

function make(options) {
  const client = createClient({ url: "ws://test/ws", WebSocket: server.WebSocket, ...options });
  client.states = [];
  client.on("state", (state) => client.states.push(state));
  return client;
}

async function connected(options) {
  const client = make(options);
  const ready = client.connect();
  server.socket.open().say(READY);
  await ready;
  return client;
}

/** How it stands with a promise. */
function watch(promise) {
  const watched = { state: "open" };
  promise.then(
    () => (watched.state = "done"),
    (error) => Object.assign(watched, { state: "refused", code: error.code, error }),
  );
  return watched;
}

const types = () => server.socket.heard.map(({ type }) => type);

/** A token that ends so many seconds from now. */
const token = (seconds) => `e30.${btoa(JSON.stringify({ exp: clock.now / 1000 + seconds }))}.seal`;

test("connect() tells who this is, and is one promise for whoever asks", async () => {
  const client = make();
  const ready = client.connect();
  assert.equal(client.connect(), ready);
  server.socket.open().say(READY);
  assert.equal((await ready).clientId, "me");
  assert.deepEqual(client.states, ["connecting", "connected"]);
  assert.equal(server.sockets.length, 1);
});

test("a request is done when the server has dealt with it, and not before", async () => {
  const client = await connected();
  const request = watch(client.available());
  await settled();
  assert.equal(request.state, "open");
  assert.deepEqual(types(), ["available", "ping"]);
  server.socket.say(PONG);
  await settled();
  assert.equal(request.state, "done");
});

test("a refusal meets the request that it is for, and no other", async () => {
  const client = await connected();
  const leave = watch(client.leave());
  const report = watch(client.report({ reason: "spam" }));
  const available = watch(client.available());
  server.socket.say(PONG, { type: "error", code: "NOT_PAIRED", message: "nobody" }, PONG, PONG);
  await settled();
  assert.deepEqual([leave.state, report.state, available.state], ["done", "refused", "done"]);
  assert.ok(report.error instanceof SignalingError);
  assert.equal(report.code, "NOT_PAIRED");
});

test("what is asked while the connection is away is done when it is back", async () => {
  const client = await connected();
  server.socket.end();
  assert.equal(client.state, "resuming");
  const request = watch(client.available());
  clock.advance(4_000);
  server.socket.open().say({ ...READY, clientId: "other" }, RESUMED);
  assert.equal(client.state, "connected");
  assert.deepEqual(types(), ["resume", "available", "ping"]);
  server.socket.say(PONG);
  await settled();
  assert.equal(request.state, "done");
  assert.equal(client.clientId, "me");
});

test("a request outlives a loss of messages, and is done when the server has dealt with it", async () => {
  const client = await connected();
  for (let i = 0; i < 5; i += 1) client.ice(null);
  const request = watch(client.report({ reason: "spam" }));
  server.socket.end();
  clock.advance(4_000);
  server.socket.open().say({ ...READY, clientId: "other" }, { ...RESUMED, lost: true });
  assert.deepEqual(types(), ["resume", "report", "ping", "ping"]);
  await settled();
  assert.equal(request.state, "open");
  server.socket.say(PONG);
  await settled();
  assert.equal(request.state, "done");
  const next = watch(client.report({ reason: "spam" }));
  server.socket.say(PONG);
  await settled();
  assert.equal(next.state, "open", "a request was done before its turn");
});

test("a session that is gone answers nobody, and its client waits again", async () => {
  const client = await connected();
  void client.available();
  const request = watch(client.report({ reason: "spam" }));
  server.socket.end();
  clock.advance(4_000);
  server.socket.open().say({ ...READY, clientId: "other" }, { type: "error", code: "RESUME_FAILED", message: "" });
  await settled();
  assert.deepEqual([request.state, request.code], ["refused", "CLOSED"]);
  assert.ok(types().includes("available"));
  assert.equal(client.state, "connected");
});

test("a client says who it is before it counts as connected, and again before the token ends", async () => {
  const given = [];
  const client = make({ getToken: () => (given.push(token(600)), given.at(-1)) });
  const ready = watch(client.connect());
  server.socket.open().say(READY);
  await settled();
  assert.deepEqual(server.socket.heard[0], { type: "auth", token: given[0] });
  assert.equal(ready.state, "open");
  server.socket.say(PONG);
  await settled();
  assert.equal(ready.state, "done");
  for (let second = 0; second < 545; second += 5) {
    clock.advance(5_000);
    if (types().filter((type) => type === "ping").length) server.socket.say(PONG);
  }
  await settled();
  assert.equal(given.length, 2);
  assert.deepEqual(server.socket.heard.filter(({ type }) => type === "auth").at(-1), { type: "auth", token: given[1] });
});

test("a new client that waited says who it is before it waits again", async () => {
  const client = make({ getToken: () => token(600) });
  const ready = client.connect();
  server.socket.open().say(READY);
  await settled();
  server.socket.say(PONG);
  await ready;
  void client.available({ wants: { verified: ["true"] } });
  server.socket.end();
  clock.advance(4_000);
  server.socket.open().say({ ...READY, clientId: "other" }, { type: "error", code: "RESUME_FAILED", message: "" });
  server.socket.say({ type: "error", code: "AUTH_REQUIRED", message: "" });
  await settled();
  server.socket.say(PONG);
  await settled();
  const again = types().lastIndexOf("available");
  assert.ok(again > types().indexOf("auth"));
  assert.deepEqual(server.socket.heard[again], { type: "available", wants: { verified: ["true"] } });
  assert.equal(client.state, "connected");
});

test("a token that is refused, or that cannot be had, ends the attempt, and says why", async () => {
  const warned = [];
  const logger = { debug() {}, warn: (...words) => warned.push(words) };
  const client = make({ getToken: () => token(600), logger });
  const refused = watch(client.connect());
  server.socket.open().say(READY);
  await settled();
  server.socket.say({ type: "error", code: "AUTH_FAILED", message: "expired" });
  await settled();
  assert.equal(refused.code, "AUTH_FAILED");
  assert.equal(server.socket.closedWith, 1000);
  const without = make({ getToken: () => Promise.reject(new Error("no token for you")), logger });
  const failed = watch(without.connect());
  server.socket.open().say(READY);
  await settled();
  assert.equal(failed.error.message, "no token for you");
  assert.equal(without.state, "ended");
  assert.equal(warned.length, 2);
  assert.equal(clock.timers, 0);
});

test("who is thrown out knows it, and may begin again", async () => {
  const client = await connected();
  const request = watch(client.next());
  server.socket.end(1008, "no shouting here");
  await settled();
  assert.equal(client.state, "refused");
  assert.equal(request.code, "CLOSED");
  assert.equal(watch(client.available()).state, "open");
  const again = client.connect();
  server.socket.open().say(READY);
  await again;
  assert.equal(client.state, "connected");
  client.close();
  assert.equal(client.state, "ended");
  assert.equal(clock.timers, 0);
});

test("a client that is closed before it is connected does not leave its caller waiting", async () => {
  const client = make();
  const ready = watch(client.connect());
  client.close();
  await settled();
  assert.deepEqual([ready.state, ready.code], ["refused", "CLOSED"]);
});

test("an address that is none rejects, and the next connect() works", async () => {
  const client = createClient({ url: "nonsense", WebSocket: server.WebSocket });
  await assert.rejects(client.connect(), SyntaxError);
  await assert.rejects(client.connect(), SyntaxError);
  assert.equal(client.state, "ended");
});

test("without resume each connection is a new client, after the pause that backoff() gives", async () => {
  const asked = [];
  const client = await connected({ resume: false, backoff: (...how) => (asked.push(how), 77) });
  server.socket.end();
  assert.equal(client.state, "connecting");
  clock.advance(77);
  assert.equal(server.sockets.length, 2);
  assert.deepEqual(server.socket.open().heard, []);
  assert.deepEqual(asked, [[1, { resumable: false }]]);
});
