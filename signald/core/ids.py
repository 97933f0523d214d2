"""Names the identities that travel through the layers. All are opaque text."""

from typing import NewType

ClientId = NewType("ClientId", str)
"""One WebSocket connection. Unique over all instances, never used again."""

UserId = NewType("UserId", str)
"""Who a person is for the operator: the ``sub`` of a token that was checked. May have many connections."""

RoomId = NewType("RoomId", str)
"""Two matched clients. Unique over all instances, never used again."""

BrowserKey = NewType("BrowserKey", str)
"""A browser, of which nobody knows more than that two clients are of one."""

RequestId = str | int
"""How a client names a message of its own that is to be answered."""

ReportId = NewType("ReportId", str)
"""What one client has reported of another."""
