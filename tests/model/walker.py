"""A client of `signald.v1` in the model: it does as docs/protocol.md tells clients to, one step at a time."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.model.service import RESUME_S, Process
from tests.support.frames import TEXT, client_frame
from tests.support.journeys import SENT_AGAIN, Journey
from tests.support.memory import MemoryClient
from tests.support.oracle import Broken
from tests.support.swarm import TEXTS

if TYPE_CHECKING:
    from tests.model.journeys import Journeys

PATIENCE_S = 5.0
"""How long it waits for an answer to `resume`."""

UNCOUNTED = frozenset({"ready", "resumed"})


@dataclass
class Attempt:
    """One connection over which it has asked for its session."""

    line: MemoryClient
    process: Process
    asked_at: float
    late: bool = False
    """Whether another one was good since."""


class Walker:
    """One client.

    Args:
        world: All that there is.
        process: Where it comes first.
    """

    def __init__(self, world: "Journeys", process: Process) -> None:
        self._world = world
        self._token = ""
        self._received = 0
        self._sent: list[bytes] = []
        self._words: list[str] = []
        self._nonce = ""
        self._nonces = 0
        self._number = 0
        self._waiting_since: float | None = None
        self._lost_at = 0.0
        self._doubtful = False
        self.process = process
        self.line: MemoryClient | None = process.modern()
        self.attempts: list[Attempt] = []
        self.under_way: list[tuple[MemoryClient, bytes]] = []
        """What it has said of attempts that it has given up, and that has not arrived yet."""
        self.unheard: list[MemoryClient] = []
        """Connections of attempts whose answers it does not hear."""
        self.view = Journey(self.line.id)
        self._begin(self.line, self.line.token)

    @property
    def here(self) -> bool:
        """Whether it has a connection to a process that answers."""
        return self.line is not None and self.process.runs

    @property
    def free(self) -> bool:
        """Whether it may say something."""
        return self.here and self.line is not None and self.line.transport.reads and not self.view.word

    @property
    def asks(self) -> bool:
        """Whether it waits for an answer to `resume`."""
        return bool(self.attempts)

    # --- what it does -------------------------------------------------------------------------------------------------

    def say(self, word: str) -> None:
        """Say a word of the oracle's list."""
        said = self.view.say(word)
        text = TEXTS[word] if said is None else b'{"type":"ice","candidate":{"candidate":"%d"}}' % said.number
        if word in ("available", "next"):
            self._waiting_since = self._world.now if self._waiting_since is None else self._waiting_since
        elif word == "leave":
            self._waiting_since = None
        self._send(word, text)

    def deafen(self) -> None:
        """Nothing that it is sent from now on arrives, since its connection will be lost."""
        if self.line is not None:
            self.line.transport.reads = False

    def drop(self) -> None:
        """Lose the connection without a word."""
        line = self.line
        assert line is not None
        self._lost()
        line.transport.peer_lost()

    def ask(self, process: Process, *, again: bool = True) -> None:
        """Ask for the session.

        Args:
            process: Where.
            again: Whether this is the same wish as that of the attempt before; else somebody else's.
        """
        if not again:
            self._nonce, self._doubtful = "", True
        attempt, wish = self._attempt(process)
        self.attempts.append(attempt)
        attempt.line.write(wish)

    def ask_in_vain(self, process: Process) -> None:
        """Ask for the session, and do not hear the answer."""
        line, wish = self._unheard(process)
        line.write(wish)

    def ask_late(self, process: Process) -> None:
        """Ask for the session, and give that up before it has arrived."""
        self.under_way.append(self._unheard(process))

    def arrive(self) -> None:
        """An attempt that was given up arrives."""
        line, wish = self.under_way.pop()
        line.write(wish)

    def close_unheard(self) -> None:
        """The service notices that nobody listens there."""
        unheard, self.unheard, self.under_way = self.unheard, [], []
        for line in unheard:
            line.transport.peer_lost()

    def _unheard(self, process: Process) -> tuple[MemoryClient, bytes]:
        attempt, wish = self._attempt(process)
        attempt.line.transport.reads = False
        self.unheard.append(attempt.line)
        return attempt.line, wish

    def _attempt(self, process: Process) -> tuple[Attempt, bytes]:
        if not self._nonce:
            self._nonces += 1
            self._nonce = f"{self.view.client} {self._nonces}"
        self._number += 1
        line = process.modern()
        line.take()
        wish: dict[str, Any] = {"token": self._token, "received": self._received}
        wish |= {"nonce": self._nonce, "attempt": self._number}
        if self._waiting_since is not None:
            wish["waited"] = self._world.now - self._waiting_since
        text = json.dumps({"type": "resume", **wish}).encode()
        return Attempt(line, process, self._world.now), client_frame(TEXT, text)

    def gone(self, process: Process) -> None:
        """A process is no more."""
        self.attempts = [attempt for attempt in self.attempts if attempt.process is not process]
        if self.line is not None and self.process is process:
            self._lost()

    # --- what it hears ------------------------------------------------------------------------------------------------

    def hear(self) -> None:
        """Take what has come."""
        for attempt in list(self.attempts):
            if attempt.process.runs:
                self._hear_of(attempt)
        line = self.line
        if line is None or not self.process.runs or not line.transport.reads:
            return
        for message in line.take():
            self._hear(message)
        if line.gone or line.close_code is not None:
            self._lost()
        elif self.view.word or self.view.blurred:
            self.view.handled()

    def _hear_of(self, attempt: Attempt) -> None:
        line = attempt.line
        for message in list(line.messages):
            line.messages.remove(message)
            if message["type"] == "resumed":
                self.attempts.remove(attempt)
                self._go_on(attempt, message)
                return
            if message.get("code") == "RESUME_FAILED":
                self.attempts.remove(attempt)
                self._refused(attempt, message)
                return
        if line.gone or line.close_code is not None:
            self.attempts.remove(attempt)
        elif self._world.now - attempt.asked_at > PATIENCE_S:
            self.attempts.remove(attempt)
            line.vanish()

    def _go_on(self, attempt: Attempt, told: dict[str, Any]) -> None:
        view = self.view
        view.note(" ".join(f"{key}={value}" for key, value in told.items() if key != "resume"))
        if attempt.late:
            if self._world.faults_since(attempt.asked_at) == 0:
                raise Broken(f"{view.client}: one token was good twice")
            self._begin_anew(attempt)  # a home that was silent for too long counted as dead
            return
        for other in self.attempts:
            other.late = True
        if told["clientId"] != view.client:
            raise Broken(f"{view.client} got the session of {told['clientId']}")
        had = told["received"]
        if had > len(self._sent):
            raise Broken(f"{view.client} sent {len(self._sent)}, {had} it is told")
        again = list(zip(self._words[had:], self._sent[had:], strict=True))
        del self._words[had:], self._sent[had:]
        if told["lost"]:
            again = [(word, text) for word, text in again if word in SENT_AGAIN]
        self.line, self.process = attempt.line, attempt.process
        self._token, self._nonce, self._doubtful = told["resume"]["token"], "", False
        view.resumed(told, [word for word, _ in again])
        for word, text in again:
            self._send(word, text)

    def _refused(self, attempt: Attempt, refusal: dict[str, Any]) -> None:
        self.view.note("was refused")
        if attempt.late or any(not other.late for other in self.attempts):
            attempt.line.close()
            return
        away_s = self._world.now - self._lost_at
        if not self._doubtful and away_s < RESUME_S - 5:
            raise Broken(
                f"{self.view.client} came back after {away_s} s, and was refused: {'; '.join(self.view.diary)}"
            )
        self.view.is_over("refused")
        self.view = Journey(attempt.line.id)
        self.process = attempt.process
        self._begin(attempt.line, attempt.line.token)
        self._received = 1

    def _begin_anew(self, attempt: Attempt) -> None:
        """There were two of it for a moment, of whom one will go: be another client, since nobody can say which."""
        self.view.is_over("it was two")
        for line in (self.line, attempt.line):
            if line is not None:
                line.transport.peer_lost()
        line = attempt.process.modern()
        line.take()
        self.process, self.view = attempt.process, Journey(line.id)
        self._begin(line, line.token)

    def _begin(self, line: MemoryClient, token: str) -> None:
        self.line = line
        self._world.views[self.view.client] = self.view
        self._token, self._received, self._sent, self._words = token, 0, [], []
        self._nonce, self._doubtful, self._waiting_since = "", False, None

    def _lost(self) -> None:
        self.line = None
        self._lost_at = self._world.now
        self.view.note("lost its connection")

    def _send(self, word: str, text: bytes) -> None:
        assert self.line is not None
        self.view.note(f"says {word}")
        self._words.append(word)
        self._sent.append(text)
        self.line.write(client_frame(TEXT, text))

    def _hear(self, message: dict[str, Any]) -> None:
        view, kind = self.view, message["type"]
        view.note(" ".join(f"{key}={value}" for key, value in message.items() if key != "resume"))
        self._received += kind not in UNCOUNTED
        self._token = message.get("resume", {}).get("token", self._token)
        if kind == "matched":
            self._waiting_since = None
            self._world.matches += 1
            view.matched(message["roomId"], message["partnerId"])
        elif kind == "partner-left":
            self._waiting_since = self._world.now
            view.partner_left()
        elif kind == "ice":
            view.relayed(message["from"], int(message["candidate"]["candidate"]))
        elif kind in ("partner-away", "partner-back"):
            view.partner_is(away=kind == "partner-away", lost=message.get("lost", False))
        elif kind != "goodbye":
            view.answered(str(message.get("code", kind)))
