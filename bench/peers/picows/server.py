"""The same wire contract on picows and uvloop, in memory: the fastest that Python's own libraries offer.

One msgspec decode for a message and none of what is relayed: its payload is copied as it is. Pairing is first come,
first served, in constant time; no logging, no rate limit. It must stay honest: nothing here is slower than it need be,
and nothing that clients see is left out.

Environment: PORT (default 8080), HOST (127.0.0.1), REQUEUE_ON_PARTNER_LEAVE (true), HEARTBEAT_SECONDS (30).
"""

import asyncio
import os
import secrets
import signal
import time
from collections.abc import Callable

import msgspec
import uvloop
from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

REQUEUE = os.environ.get("REQUEUE_ON_PARTNER_LEAVE") != "false"
HEARTBEAT_S = float(os.environ.get("HEARTBEAT_SECONDS", "30"))
STARTED = time.monotonic()
INSTANCE = secrets.token_hex(8)

clients: set["Client"] = set()
queue: dict["Client", None] = {}
"""Those who wait; a dictionary keeps the order of insertion."""


class Message(msgspec.Struct):
    """What a client says."""

    type: str
    sdp: msgspec.Raw = msgspec.Raw()
    candidate: msgspec.Raw = msgspec.Raw()


decode = msgspec.json.Decoder(Message).decode


class Client(WSListener):
    """One client."""

    def __init__(self) -> None:
        self.id = secrets.token_urlsafe(12)
        self.partner: Client | None = None
        self.alive = True
        self.heads = {kind: f'{{"type":"{kind}","from":"{self.id}",'.encode() for kind in ("offer", "answer", "ice")}

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Say who it is."""
        self.transport = transport
        clients.add(self)
        self.send(b'{"type":"ready","clientId":"%b"}' % self.id.encode())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Tell the partner."""
        clients.discard(self)
        self.leave()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take a frame."""
        if frame.msg_type == WSMsgType.TEXT:
            self.receive(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.PONG:
            self.alive = True
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code() or WSCloseCode.OK)
            transport.disconnect()
        else:
            self.error("INVALID_FORMAT", "not text")

    def send(self, text: bytes) -> None:
        """Send a message."""
        self.transport.send(WSMsgType.TEXT, text)

    def error(self, code: str, why: str) -> None:
        """Refuse a message."""
        self.send(f'{{"type":"error","code":"{code}","message":"{why}"}}'.encode())

    def receive(self, text: bytes) -> None:
        """Do what a message says."""
        try:
            said = decode(text)
        except msgspec.MsgspecError:
            return self.error("INVALID_FORMAT", "not a JSON object with a type")
        kind = said.type
        if kind == "ice":
            payload = bytes(said.candidate)
            if payload[:1] not in (b"{", b"n"):
                return self.error("INVALID_FORMAT", "candidate is not an object")
            return self.relay(kind, b'"candidate":', payload)
        if kind in ("offer", "answer"):
            payload = bytes(said.sdp)
            if not payload:
                return self.error("INVALID_FORMAT", "no sdp")
            return self.relay(kind, b'"sdp":', payload)
        action = ACTIONS.get(kind)
        if action is None:
            return self.error("UNKNOWN_TYPE", "unknown type")
        return action(self)

    def relay(self, kind: str, field: bytes, payload: bytes) -> None:
        """Carry something to the partner."""
        if self.partner is None:
            self.error("NOT_PAIRED", "no partner")
        else:
            self.partner.send(self.heads[kind] + field + payload + b"}")

    def available(self) -> None:
        """Wait, or meet whoever waits longest."""
        if self.partner is not None:
            return self.error("ALREADY_PAIRED", "has a partner")
        if self in queue:
            return None
        partner = next(iter(queue), None)
        if partner is None:
            queue[self] = None
            return None
        del queue[partner]
        self.partner, partner.partner = partner, self
        room = secrets.token_urlsafe(12)
        for one, other, first in ((partner, self, "false"), (self, partner, "true")):
            one.send(
                f'{{"type":"matched","roomId":"{room}","partnerId":"{other.id}","initiator":{first}}}'.encode(),
            )
        return None

    def next(self) -> None:
        """Leave the partner and wait."""
        if self.partner is None:
            return self.error("NOT_PAIRED", "no partner")
        self.leave()
        return self.available()

    def leave(self) -> None:
        """Leave the partner, or the queue."""
        queue.pop(self, None)
        partner, self.partner = self.partner, None
        if partner is not None:
            partner.partner = None
            partner.send(b'{"type":"partner-left"}')
            if REQUEUE:
                partner.available()

    def ping(self) -> None:
        """Answer."""
        self.send(b'{"type":"pong"}')

    def auth(self) -> None:
        """Believe it."""


ACTIONS: dict[str, Callable[[Client], None]] = {
    "available": Client.available,
    "next": Client.next,
    "leave": Client.leave,
    "ping": Client.ping,
    "auth": Client.auth,
}


def upgrade(request: WSUpgradeRequest) -> Client | WSUpgradeResponseWithListener:
    """Answer a request: the WebSocket, or how the server is."""
    if request.path == b"/healthz":
        facts = {
            "ok": True,
            "uptime": time.monotonic() - STARTED,
            "clients": len(clients),
            "instanceId": INSTANCE,
        }
        answer = WSUpgradeResponse.create_ok_response(body=msgspec.json.encode(facts))
        return WSUpgradeResponseWithListener(answer, None)
    return Client()


async def beat() -> None:
    """Ping everybody, and end who did not answer."""
    while True:
        await asyncio.sleep(HEARTBEAT_S)
        for client in list(clients):
            if client.alive:
                client.alive = False
                client.transport.send_ping()
            else:
                client.transport.disconnect()


async def main() -> None:
    """Serve until SIGTERM."""
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    host, port = os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080"))
    await ws_create_server(upgrade, host, port, max_frame_size=64 * 1024)
    beating = asyncio.ensure_future(beat())
    await over.wait()
    beating.cancel()
    for client in list(clients):
        client.transport.send_close(WSCloseCode.GOING_AWAY)
        client.transport.disconnect()


uvloop.run(main())
