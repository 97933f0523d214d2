// client.js, whose requests answer, against a server that the test plays. Each name says what goes wrong if it fails.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { createClient, SignalingError } from "../../../signald/web/static/client.js";
import { Clock, Server } from "./fakes.mjs";

const READY = { type: "ready", clientId: "me", resume: { token: "t1", seconds: 30 } };
const RESUMED = { type: "resumed", clientId: "me", state: "idle", received: 0, lost: false, resume: { token: "t2", seconds: 30 } };

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
  server.socket.ok();
  await settled();
  assert.equal(request.state, "done");
});

test("a refusal meets the request that it is for, and no other", async () => {
  const client = await connected();
  const leave = watch(client.leave());
  const report = watch(client.report({ reason: "spam" }));
  const available = watch(client.available());
  server.socket.ok(1).refuse("NOT_PAIRED", "nobody").ok();
  await settled();
  assert.deepEqual([leave.state, report.state, available.state], ["done", "refused", "done"]);
  assert.ok(report.error instanceof SignalingError);
  assert.equal(report.code, "NOT_PAIRED");
  assert.equal(report.error.message, "nobody");
});

test("what is asked while the connection is away is done when it is back", async () => {
  const client = await connected();
  server.socket.end();
  assert.equal(client.state, "resuming");
  const request = watch(client.available());
  clock.advance(4_000);
  server.socket.open().say({ ...READY, clientId: "other" }, RESUMED);
  assert.equal(client.state, "connected");
  assert.deepEqual(types(), ["resume", "available"]);
  server.socket.ok();
  await settled();
  assert.equal(request.state, "done");
  assert.equal(client.clientId, "me");
});

test("a request whose answer was lost with the connection does not leave its caller waiting", async () => {
  const client = await connected();
  const had = watch(client.report({ reason: "spam" }));
  const asked = watch(client.block());
  server.socket.end();
  clock.advance(4_000);
  // The server has had the first of them.
  server.socket.open().say({ ...READY, clientId: "other" }, { ...RESUMED, received: 1, lost: true });
  assert.deepEqual(types(), ["resume", "block", "ping"]);
  await settled();
  assert.deepEqual([had.state, asked.state], ["open", "open"]);
  server.socket.ok();
  await settled();
  assert.deepEqual([had.code, asked.state], ["LOST", "done"]);
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
  assert.equal(client.state, "connecting");
  server.socket.ok();
  await settled();
  assert.equal(ready.state, "done");
  for (let second = 0; second < 545; second += 5) {
    clock.advance(5_000);
    server.socket.say({ type: "pong" });
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
  server.socket.ok();
  await ready;
  void client.available({ wants: { verified: ["true"] } });
  server.socket.end();
  clock.advance(4_000);
  server.socket.open().say({ ...READY, clientId: "other" }, { type: "error", code: "RESUME_FAILED", message: "" });
  await settled();
  assert.deepEqual(types(), ["resume", "auth"]);
  server.socket.ok();
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
  server.socket.refuse("AUTH_FAILED", "expired");
  await settled();
  assert.deepEqual([client.state, client.refusal.code], ["refused", "AUTH_FAILED"]);
  assert.equal(refused.code, "AUTH_FAILED");
  assert.equal(server.socket.closedWith, 1000);
  const without = make({ getToken: () => Promise.reject(new Error("no token for you")), logger });
  const failed = watch(without.connect());
  server.socket.open().say(READY);
  await settled();
  assert.equal(failed.error.message, "no token for you");
  assert.deepEqual([without.state, without.refusal.message], ["refused", "no token for you"]);
  assert.equal(warned.length, 2);
  assert.equal(clock.timers, 0);
});

test("a getToken that is none, or gives none, says so", async () => {
  assert.throws(() => make({ getToken: "abc" }), /getToken is to be a function/);
  const client = make({ getToken: () => undefined });
  const failed = watch(client.connect());
  server.socket.open().say(READY);
  await settled();
  assert.match(failed.error.message, /getToken has given no token/);
});

test("a token that the server does not take any more is replaced once, and nobody notices", async () => {
  const given = [];
  const client = make({ getToken: () => (given.push(token(600)), given.at(-1)) });
  const ready = client.connect();
  server.socket.open().say(READY);
  await settled();
  server.socket.ok();
  await ready;
  const request = watch(client.available());
  server.socket.refuse("AUTH_REQUIRED");
  await settled();
  server.socket.ok(); // The new token.
  await settled();
  server.socket.ok();
  await settled();
  assert.equal(request.state, "done");
  // It ends while the client waits: the server says so by itself.
  server.socket.say({ type: "error", code: "AUTH_REQUIRED", message: "the token has expired" });
  await settled();
  server.socket.ok();
  await settled();
  assert.deepEqual(types(), ["auth", "available", "auth", "available", "auth", "available"]);
  server.socket.ok();
  const refused = watch(client.next());
  for (const code of ["AUTH_REQUIRED", "AUTH_FAILED"]) {
    server.socket.refuse(code);
    await settled();
  }
  assert.equal(refused.code, "AUTH_FAILED");
  assert.equal(given.length, 4);
});

test("a page can tell a server that is full from one that does not want it", async () => {
  const client = make();
  const ready = watch(client.connect());
  server.socket.open().say({ type: "error", code: "FULL", message: "too many are here" }).end(4503, "full");
  await settled();
  assert.deepEqual([ready.state, client.state, client.refusal.code], ["open", "connecting", "FULL"]);
  clock.advance(500);
  server.socket.open().say({ type: "error", code: "BANNED", message: "until Sunday" }).end(4403, "banned");
  await settled();
  assert.deepEqual([ready.code, client.state, client.refusal.message], ["BANNED", "refused", "until Sunday"]);
  clock.advance(60_000);
  assert.equal(server.sockets.length, 2);
  const again = client.connect();
  server.socket.open().say(READY);
  await again;
  assert.equal(client.refusal, null);
});

test("data is not sent to a partner who would not understand it", async () => {
  const client = await connected();
  const told = [];
  client.on("data", ({ data }) => told.push(data));
  server.socket.say({ type: "matched", roomId: "r1", partnerId: "p1", initiator: true, data: false });
  const refused = watch(client.data({ typing: true }));
  server.socket.say({ type: "matched", roomId: "r2", partnerId: "p2", initiator: true, data: true });
  const sent = watch(client.data({ typing: true }));
  server.socket.ok().say({ type: "data", from: "p2", data: ["hello"] });
  await settled();
  assert.deepEqual([refused.code, sent.state], ["PARTNER_CANNOT", "done"]);
  assert.deepEqual(server.socket.heard, [{ type: "data", data: { typing: true }, roomId: "r2" }]);
  assert.deepEqual(told, [["hello"]]);
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
