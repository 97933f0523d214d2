/**
 * The baseline: signald's wire contract on a plain `ws` server, in memory, as such a server is usually written.
 *
 * One JSON.parse and one JSON.stringify per message, pairing first come, first served in constant time, no logging,
 * no rate limit. It must stay honest: nothing here is slower than it need be, and nothing that clients see is left out.
 *
 * Environment: PORT (default 8080), HOST (127.0.0.1), REQUEUE_ON_PARTNER_LEAVE (true), HEARTBEAT_SECONDS (30),
 * TLS_KEY and TLS_CERT (PEM file names; with both it serves wss).
 */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { WebSocket, WebSocketServer } from "ws";

const requeue = process.env.REQUEUE_ON_PARTNER_LEAVE !== "false";
const heartbeatMs = Number(process.env.HEARTBEAT_SECONDS ?? 30) * 1000;
const startedAt = process.hrtime.bigint();
const instanceId = randomUUID();

const clients = new Set();
/** Waiting clients; a Set keeps the order of insertion, so its first one has waited longest. */
const queue = new Set();

class Client {
  constructor(socket) {
    this.socket = socket;
    this.id = randomUUID();
    this.partner = null;
    this.alive = true;
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  error(code, message) {
    this.send({ type: "error", code, message });
  }
}

function enqueue(client) {
  if (queue.has(client)) return;
  const [partner] = queue;
  if (partner === undefined) {
    queue.add(client);
    return;
  }
  queue.delete(partner);
  client.partner = partner;
  partner.partner = client;
  const roomId = randomUUID();
  partner.send({ type: "matched", roomId, partnerId: client.id, initiator: false });
  client.send({ type: "matched", roomId, partnerId: partner.id, initiator: true });
}

function leave(client) {
  queue.delete(client);
  const { partner } = client;
  if (partner === null) return;
  client.partner = null;
  partner.partner = null;
  partner.send({ type: "partner-left" });
  if (requeue) enqueue(partner);
}

function receive(client, data) {
  let message;
  try {
    message = JSON.parse(data);
  } catch {
    return client.error("INVALID_FORMAT", "not JSON");
  }
  if (message === null || typeof message !== "object" || Array.isArray(message)) {
    return client.error("INVALID_FORMAT", "not an object");
  }
  switch (message.type) {
    case "ice": {
      const { candidate } = message;
      if (typeof candidate !== "object") return client.error("INVALID_FORMAT", "candidate is not an object");
      if (client.partner === null) return client.error("NOT_PAIRED", "no partner");
      return client.partner.send({ type: "ice", from: client.id, candidate });
    }
    case "offer":
    case "answer": {
      const { type, sdp } = message;
      if (sdp === undefined) return client.error("INVALID_FORMAT", "no sdp");
      if (client.partner === null) return client.error("NOT_PAIRED", "no partner");
      return client.partner.send({ type, from: client.id, sdp });
    }
    case "available":
      if (client.partner !== null) return client.error("ALREADY_PAIRED", "has a partner");
      return enqueue(client);
    case "next":
      if (client.partner === null) return client.error("NOT_PAIRED", "no partner");
      leave(client);
      return enqueue(client);
    case "leave":
      return leave(client);
    case "ping":
      return client.send({ type: "pong" });
    case "auth":
      return undefined;
    default:
      return client.error("UNKNOWN_TYPE", "unknown type");
  }
}

function connected(socket) {
  const client = new Client(socket);
  clients.add(client);
  socket.on("message", (data) => receive(client, data));
  socket.on("pong", () => (client.alive = true));
  socket.on("error", () => {});
  socket.on("close", () => {
    clients.delete(client);
    leave(client);
  });
  client.send({ type: "ready", clientId: client.id });
}

function request(req, res) {
  const ok = req.url === "/healthz";
  const uptime = Number(process.hrtime.bigint() - startedAt) / 1e9;
  const body = ok ? { ok, uptime, clients: clients.size, instanceId } : { message: "WebSocket at /ws" };
  res.writeHead(ok || req.url === "/" ? 200 : 404, { "content-type": "application/json" });
  res.end(JSON.stringify(body));
}

const { TLS_KEY, TLS_CERT } = process.env;
const http =
  TLS_KEY && TLS_CERT
    ? createTlsServer({ key: readFileSync(TLS_KEY), cert: readFileSync(TLS_CERT) }, request)
    : createServer(request);
const sockets = new WebSocketServer({ server: http, path: "/ws", perMessageDeflate: false, maxPayload: 64 * 1024 });
sockets.on("connection", connected);

setInterval(() => {
  for (const client of clients) {
    if (!client.alive) {
      client.socket.terminate();
    } else {
      client.alive = false;
      client.socket.ping();
    }
  }
}, heartbeatMs).unref();

function stop() {
  for (const client of clients) client.socket.close(1001);
  sockets.close();
  http.close();
  setTimeout(() => process.exit(0), 1000).unref();
}
process.once("SIGTERM", stop);
process.once("SIGINT", stop);

http.listen(Number(process.env.PORT ?? 8080), process.env.HOST ?? "127.0.0.1");
