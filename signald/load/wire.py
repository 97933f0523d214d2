"""A client's WebSocket that carries JSON. What it hears is for a subclass; `bench` has others than the load tool."""

from typing import Any

import msgspec
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

NO_CODE = 1005
"""The close code of a close frame without one (RFC 6455 7.1.5)."""

_decode = msgspec.json.decode


class Wire(WSListener):
    """One connection, made by `picows.ws_connect`.

    Attributes:
        closing: Whether this side has asked for the end.
    """

    _transport: WSTransport

    def __init__(self) -> None:
        self.closing = False

    def send(self, message: bytes) -> None:
        """Send one JSON text."""
        self._transport.send(WSMsgType.TEXT, message)

    def close(self) -> None:
        """Start the WebSocket closing handshake; the server answers and closes the connection."""
        self.closing = True
        self._transport.send_close(WSCloseCode.OK)

    def abandon(self) -> None:
        """Cut the connection."""
        self.closing = True
        self._transport.disconnect(graceful=False)

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take one frame from the server."""
        try:
            if frame.msg_type is WSMsgType.TEXT:
                self.hear(_decode(frame.get_payload_as_bytes()))
            elif frame.msg_type is WSMsgType.PING:
                transport.send_pong(frame.get_payload_as_bytes())
            elif frame.msg_type is WSMsgType.CLOSE:
                if not self.closing:
                    payload = frame.get_payload_as_bytes()
                    self.closed(int.from_bytes(payload[:2], "big") if payload else NO_CODE)
                transport.disconnect()
        except Exception as error:
            self.confused(error)

    def hear(self, message: dict[str, Any]) -> None:
        """A message has come. What this raises goes to `confused`."""
        raise NotImplementedError

    def closed(self, code: int) -> None:
        """The server closes the connection, and nobody has asked it to."""
        raise NotImplementedError

    def confused(self, error: Exception) -> None:
        """A frame was no JSON, or not what may come now."""
        raise NotImplementedError
