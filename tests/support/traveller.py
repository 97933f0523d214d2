"""A client of `signald.v1` that loses its connection and goes on, as docs/protocol.md tells clients to."""

import asyncio
import json
import secrets
import time
from typing import TYPE_CHECKING

from tests.support.frames import PING, TEXT, client_frame
from tests.support.journeys import SENT_AGAIN, Journey
from tests.support.line import Line, Message
from tests.support.oracle import Broken
from tests.support.swarm import TEXTS

if TYPE_CHECKING:
    from tests.support.travellers import Travellers

OPENING_S = 3.0
"""After which a client gives up an instance that does not answer, and tries another one."""

UNCOUNTED = frozenset({"ready", "resumed"})
"""Types of messages that neither side counts."""


class Traveller:
    """One client. It says one thing at a time; its session goes on with another connection whenever one is lost.

    Args:
        crowd: All of them.
    """

    def __init__(self, crowd: "Travellers") -> None:
        self._crowd = crowd
        self._line: Line | None = None
        self._token = ""
        self._received = 0
        self._sent: list[bytes] = []
        self._words: list[str] = []
        self._certain = 0
        self._waiting_since: float | None = None
        self._nonce = ""
        self._attempts = 0
        self._doubtful = False
        self._said_at = 0.0
        self._leaving = False
        self.twice = False
        """Whether it will try to return by two connections at once."""
        self.view: Journey | None = None

    @property
    def free(self) -> bool:
        """Whether it may say something."""
        view = self.view
        return self._line is not None and view is not None and not view.word and not view.blurred

    @property
    def here(self) -> bool:
        """Whether it has a connection, and its session is this one's."""
        return self._line is not None

    async def live(self) -> None:
        """Until cancelled, or until it has left for good."""
        while not self._leaving:
            line = await self._open()
            if line is None:
                await asyncio.sleep(0.05 + 0.2 * self._crowd.rng.random())  # as clients do, not to storm
                continue
            if self.view is None:
                self._begin(line)
            else:
                await self._return(line)
            while self._line is not None:
                line = self._line
                await line.over.wait()
                if self._line is line:
                    self._lost(line)
        if self.view is not None:
            self.view.is_over("it left")

    # --- what it does -------------------------------------------------------------------------------------------------

    def say(self, word: str) -> None:
        """Say a word of the oracle's list."""
        assert self.view is not None
        said = self.view.say(word)
        self._said_at = time.monotonic()
        text = TEXTS[word] if said is None else b'{"type":"ice","candidate":{"candidate":"%d"}}' % said.number
        if word in ("available", "next"):
            self._waiting_since = self._waiting_since or time.monotonic()
        elif word == "leave":
            self._waiting_since = None
        self._send(word, text)
        self._ask()

    def drop(self, how: str) -> None:
        """Lose the connection: ``reset``, ``end``, ``hole`` or ``code``."""
        line = self._line
        assert line is not None
        if how == "hole":
            line.vanish()
            self._crowd.holes.append(line)
        elif how == "code":
            line.close(4002)
        else:
            line.abort(reset=how == "reset")
        self._lost(line)

    def go(self, *, politely: bool) -> None:
        """Be gone for good."""
        assert self._line is not None
        assert self.view is not None
        self._leaving = True
        line, self._line = self._line, None
        self.view.is_over("it left")
        if politely:
            line.close(1000)
        else:
            line.abort()

    # --- connections --------------------------------------------------------------------------------------------------

    async def _open(self) -> Line | None:
        port = self._crowd.any_port()
        if port is None:
            return None
        line = Line()
        try:
            async with asyncio.timeout(OPENING_S):
                await asyncio.get_running_loop().create_connection(lambda: line, "127.0.0.1", port)
                await line.ready
        except (OSError, TimeoutError):
            line.abort()
            return None
        except asyncio.CancelledError:
            line.abort()
            raise
        self._crowd.connected += 1
        return line

    def _begin(self, line: Line) -> None:
        ready = line.ready.result()
        client = ready["clientId"]
        self.view = Journey(client)
        self._crowd.views[client] = self.view
        self._received, self._sent, self._words, self._certain = 0, [], [], 0
        self._token, self._nonce, self._doubtful = ready["resume"]["token"], "", False
        self._waiting_since = None
        self._attach(line)

    def _attach(self, line: Line) -> None:
        self._line = line
        line.heard = lambda message: self._hear(line, message)
        line.ponged = lambda: self._pong(line)

    def _lost(self, line: Line) -> None:
        self._line = None
        line.heard = line.ponged = None
        if self.view is not None:
            self.view.away_at = time.monotonic()
            self.view.note(f"lost its connection ({line.code})")
        if line.code is not None:
            self._crowd.closes[line.code] += 1

    async def _return(self, line: Line) -> None:
        """Ask for the session; `_line` tells whether there is one now."""
        self._nonce = self._nonce or secrets.token_hex(8)
        attempts = {line: self._nonce}
        if self.twice and self._crowd.asks_twice and (other := await self._open()) is not None:
            attempts[other] = secrets.token_hex(8)
        self.twice = False
        results = await asyncio.gather(*(self._ask_for_session(*attempt) for attempt in attempts.items()))
        if self.view is not None:
            self.view.note(f"asked for its session: {results}")
        refused = [line for line, result in zip(attempts, results, strict=True) if result == "refused"]
        if "resumed" not in results:
            self._doubtful = self._doubtful or len(attempts) > 1  # which of the two was heard?
            if len(refused) == len(attempts):
                self._refused(refused.pop())
        for line in refused:
            line.close(1000)

    async def _ask_for_session(self, line: Line, nonce: str) -> str:
        """Ask for it on one connection; gives ``resumed``, ``refused``, or nothing if no answer came."""
        answer = ""

        def hear(message: Message) -> None:
            nonlocal answer
            if message["type"] == "resumed":
                answer = "resumed"
                self._crowd.judge(lambda: self._go_on(line, message))
            elif message.get("code") == "RESUME_FAILED":
                answer = "refused"
            elif message["type"] != "goodbye":  # it is about to stop: that is no answer
                self._crowd.accuse(f"{message} came in answer to resume")
            answered.set()

        answered = asyncio.Event()
        line.heard = hear
        self._attempts += 1
        wish = {"type": "resume", "token": self._token, "received": self._received}
        wish |= {"nonce": nonce, "attempt": self._attempts}
        if self._waiting_since is not None:
            wish["waited"] = time.monotonic() - self._waiting_since
        line.send(client_frame(TEXT, json.dumps(wish).encode()))
        waiting = [asyncio.ensure_future(event.wait()) for event in (answered, line.over)]
        await asyncio.wait(waiting, timeout=self._crowd.answer_s, return_when=asyncio.FIRST_COMPLETED)
        for event in waiting:
            event.cancel()
        if not answer:
            self._crowd.unanswered += 1
            line.heard = None
            line.abort(reset=False)
        return answer

    def _go_on(self, line: Line, told: Message) -> None:
        view = self.view
        assert view is not None
        if self._line is not None:
            line.close(1000)
            raise Broken(f"{view.client}: one token was good twice")
        if told["clientId"] != view.client:
            raise Broken(f"{view.client} got the session of {told['clientId']}")
        if view.away_at is not None:
            self._crowd.absences.append(time.monotonic() - view.away_at)
        view.note(" ".join(f"{key}={value}" for key, value in told.items() if key != "resume"))
        had = told["received"]
        if had > len(self._sent) or (had < self._certain and not told["lost"]):
            raise Broken(f"{view.client} sent {len(self._sent)}, {self._certain} were handled, {had} it is told")
        again = [(word, text) for word, text in zip(self._words[had:], self._sent[had:], strict=True)]
        del self._words[had:], self._sent[had:]
        if told["lost"]:
            again = [(word, text) for word, text in again if word in SENT_AGAIN]
        self._token, self._nonce, self._doubtful = told["resume"]["token"], "", False
        self._certain = min(self._certain, had)
        self._crowd.resumed(lost=told["lost"])
        view.resumed(told, [word for word, _ in again])
        self._attach(line)
        self._said_at = time.monotonic()
        for word, text in again:
            self._send(word, text)
        if view.word or view.blurred:
            self._ask()

    def _refused(self, line: Line) -> None:
        """The session is over; this connection is the new client of its `ready`."""
        view = self.view
        assert view is not None
        away_s = 0.0 if view.away_at is None else time.monotonic() - view.away_at
        if away_s > self._crowd.resume_s:
            view.is_over(f"away for {away_s:.1f} s")
        elif self._doubtful or view.excused:
            view.is_over("two asked for it")
        else:
            self._crowd.accuse(f"{view.client} came back after {away_s:.1f} s, and was refused")
            view.is_over("refused")
        self._crowd.refused += 1
        self._begin(line)
        self._received = 1

    # --- messages -----------------------------------------------------------------------------------------------------

    def _send(self, word: str, text: bytes) -> None:
        assert self._line is not None
        if self.view is not None and word != "ice":
            self.view.note(f"says {word}")
        self._words.append(word)
        self._sent.append(text)
        self._line.send(client_frame(TEXT, text))

    def _ask(self) -> None:
        """Ask for a sign that all was handled."""
        assert self._line is not None
        self._line.send(client_frame(PING, b"handled"))

    def _pong(self, line: Line) -> None:
        view = self.view
        if self._line is line and view is not None and (view.word or view.blurred):
            self._certain = len(self._sent)
            self._crowd.answered(self._said_at)
            self._crowd.judge(view.handled)

    def _hear(self, line: Line, message: Message) -> None:
        view, crowd = self.view, self._crowd
        if self._line is not line or view is None:
            return
        kind = message["type"]
        if kind != "ice":
            view.note(" ".join(f"{key}={value}" for key, value in message.items() if key != "resume"))
        self._received += kind not in UNCOUNTED
        self._token = message.get("resume", {}).get("token", self._token)
        if kind == "matched":
            self._waiting_since = None
            crowd.matches += 1
            since = None if "resume" in message else view.was_away_at  # it was sent again
            crowd.judge(lambda: crowd.check_gone(view, message["partnerId"], since))
            crowd.judge(lambda: view.matched(message["roomId"], message["partnerId"]))
        elif kind == "partner-left":
            self._waiting_since = time.monotonic()
            crowd.judge(view.partner_left)
        elif kind == "ice":
            crowd.judge(lambda: view.relayed(message["from"], int(message["candidate"]["candidate"])))
        elif kind in ("partner-away", "partner-back"):
            crowd.judge(lambda: view.partner_is(away=kind == "partner-away", lost=message.get("lost", False)))
        elif kind != "goodbye":
            crowd.judge(lambda: view.answered(str(message.get("code", kind))))
