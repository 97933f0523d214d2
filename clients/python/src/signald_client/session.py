"""What outlives a connection: who the client is, and what each side has had of the other. No socket, timer or clock.

Both sides count every message but `ready`, `resume` and `resumed`. Each request of the client is kept until its answer
is here; after a lost connection each side says how far it got, and the other sends again what came after.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from signald_client.protocol import Ready, Resumed, ResumeOffer, Wishes

State = Literal["idle", "waiting", "paired"]

SIGNALS = frozenset({"offer", "answer", "ice", "data"})
"""Those that mean nothing in a call that is negotiated anew."""

MOVES = frozenset({"available", "next", "leave"})

_NO_WAITING = frozenset({"AUTH_REQUIRED", "CHALLENGE_REQUIRED", "CROWDED"})
"""What a server says to one who does not wait any more."""


@dataclass
class Request:
    """One message that was sent, or is to be, and has no answer yet.

    Attributes:
        id: Of the request, which its answer carries.
        type: Of the message.
        text: As it goes over the wire.
        number: Its place among the messages of this session.
    """

    id: int
    type: str
    text: str
    number: int


@dataclass
class Session:
    """One session, over as many connections as it needs.

    Attributes:
        client_id: This client's id; empty before `ready`.
        state: What the server takes it for.
        room_id: The room, if it is paired.
        asked: Whether it waits by its own word. After `partner-left` the server may have queued it, or not.
        wishes: Whom it wants to meet, as it has said last.
        sent: Messages sent, or kept to be.
        received: Messages had.
        answered: The highest number of a message that has an answer.
        grant: How to go on with it.
        nonce: Sent with each attempt for the present token: one whose answer was lost is answered again.
        waits_since: When it began to wait, in seconds since 1970.
        kept: Requests without an answer, oldest first. No more than there are tasks that wait for one.
    """

    client_id: str = ""
    state: State = "idle"
    room_id: str | None = None
    asked: bool = False
    wishes: Wishes = field(default_factory=Wishes)
    sent: int = 0
    received: int = 0
    answered: int = 0
    grant: ResumeOffer | None = None
    nonce: str = ""
    waits_since: float = 0.0
    kept: list[Request] = field(default_factory=list)

    @property
    def resumable(self) -> bool:
        """Whether there is something to go on with after a lost connection."""
        return self.grant is not None and self.grant["seconds"] > 0

    def begin(self, ready: Ready, *, resumes: bool) -> None:
        """The server has a new client."""
        self.client_id = ready["clientId"]
        self._accept(ready.get("resume") if resumes else None)

    def send(self, type: str, fields: Mapping[str, Any], id: int, now: float) -> str:
        """Count a message that is to be sent, and keep it.

        Args:
            type: Of the message.
            fields: All others but ``id``.
            id: Of the request.
            now: Seconds since 1970.

        Returns:
            It as JSON.

        Raises:
            ValueError: It cannot be said in JSON.
        """
        text = json.dumps({"type": type, **fields, "id": id}, ensure_ascii=False, allow_nan=False)
        text.encode()  # half a character of a pair has no UTF-8
        self.sent += 1
        self.kept.append(Request(id, type, text, self.sent))
        begins = type == "available" and self.state == "idle"
        said: Any = {name: value for name, value in fields.items() if name != "roomId"}
        # Those of before hold if nothing is said, but for who begins to wait; a partner is not chosen anew.
        counts = type == ("available" if self.room_id is None else "next")
        if begins or (counts and said):
            self.wishes = said
        if begins or type == "next":
            self._move("waiting", now)
        if type in ("available", "next"):
            self.asked = True
        if type == "leave":
            self._move("idle", now)
        return text

    def receive(self, message: Mapping[str, Any], now: float) -> None:
        """Count a message of the server: each but `ready` and `resumed`."""
        self.received += 1
        match message["type"]:
            case "matched":
                self._move("paired", now, message["roomId"])
                if "resume" in message and self.grant is not None:
                    self._accept(message["resume"])
            case "partner-left":
                # Who was silent is idle until it says something.
                self._move("idle" if message.get("reason") == "silent" else "waiting", now)
                self.asked = False
            case "ok" | "error":
                self._answer(message.get("id"))
                if self.state == "waiting" and message.get("code") in _NO_WAITING:
                    self._move("idle", now)

    def resume(self, nonce: str, now: float) -> str:
        """What to say first on a new connection, as JSON.

        Args:
            nonce: Made at random; taken if there is none for this token yet.
            now: Seconds since 1970.
        """
        if self.grant is None:
            raise ValueError("there is nothing to go on with")
        self.nonce = self.nonce or nonce
        wish = {"type": "resume", "token": self.grant["token"], "received": self.received, "nonce": self.nonce}
        if self.state == "waiting":
            wish["waited"] = max(0.0, now - self.waits_since)
        if self.wishes:
            wish["wishes"] = self.wishes
        return json.dumps(wish, ensure_ascii=False)

    def resumed(self, message: Resumed, now: float) -> tuple[list[str], bool, list[int]]:
        """The server goes on with the session.

        Returns:
            What to send again; whether signals may be missing on either side; and the ids of requests that will have
            no answer.
        """
        had = message["received"]
        missing = message["lost"] or had < self.answered
        again = [request for request in self.kept if request.number > had]
        answers_come = [request for request in self.kept if request.number <= had]
        forsaken: list[Request] = []
        if missing:
            forsaken = answers_come + [request for request in again if request.type in SIGNALS]
            again = [request for request in again if request.type not in SIGNALS]
            answers_come = []
        for number, request in enumerate(again, had + 1):
            request.number = number
        self.kept = answers_come + again
        self.sent = had + len(again)
        self.answered = min(self.answered, had)
        self._accept(message.get("resume"))
        # A partner that came or went meanwhile is told of by what follows; what this side has just said counts more.
        if not any(request.type in MOVES for request in again):
            self._move(message["state"], now, message.get("roomId"))
            self.asked = True
        return [request.text for request in again], missing, [request.id for request in forsaken]

    def save(self, now: float) -> str:
        """All of it as JSON, for a later process."""
        return json.dumps({**asdict(self), "saved_at": now})

    @classmethod
    def restore(cls, text: str, now: float) -> Self | None:
        """A session that was saved; None if the server cannot have it any more.

        Raises:
            ValueError: The text is none that `save` has made.
        """
        try:
            saved = json.loads(text)
            saved_at = saved.pop("saved_at")
            kept = [Request(**each) for each in saved.pop("kept")]
            session = cls(**saved, kept=kept)
        except (KeyError, TypeError, AttributeError, ValueError):
            raise ValueError("this is no session that was saved") from None
        return session if session.grant and now - saved_at < session.grant["seconds"] else None

    def _answer(self, id: Any) -> None:
        for place, request in enumerate(self.kept):
            if request.id == id:
                self.answered = max(self.answered, request.number)
                del self.kept[place]
                return

    def _accept(self, grant: ResumeOffer | None) -> None:
        self.grant = grant
        self.nonce = ""

    def _move(self, state: State, now: float, room_id: str | None = None) -> None:
        if state == "waiting" and self.state != "waiting":
            self.waits_since = now
        self.state = state
        self.room_id = room_id
