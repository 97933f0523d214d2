"""A few dozen clients do as they like, and an oracle who sees only what they see judges the daemon.

The seed stands in the name of each failure; `SIGNALD_SEED=n pytest tests/protocol/test_churn.py` repeats it.
"""

import json
import os
import random
from collections import Counter

from tests.support.frames import BINARY, TEXT, client_frame
from tests.support.memory import MemoryClient, MemoryDaemon, MemoryTest, Message

SEEDS = [int(os.environ["SIGNALD_SEED"])] if "SIGNALD_SEED" in os.environ else [random.randrange(10**9), *range(5)]  # noqa: S311
STEPS = 600


class Person:
    """One client, what it believes, and what must hold of what it sees."""

    def __init__(self, client: MemoryClient) -> None:
        self.client = client
        self.room: str | None = None
        self.partner: str | None = None
        self.waits = False
        self.sent: list[tuple[str, int]] = []
        """(room, number) of each signal that was sent with a partner."""
        self.got: list[tuple[str, int]] = []
        """The same of each that arrived."""
        self.over = False


class World:
    """The oracle."""

    def __init__(self, daemon: MemoryDaemon, seed: int, requeue: bool) -> None:
        self.daemon = daemon
        self.random = random.Random(seed)  # noqa: S311
        self.requeue = requeue
        self.people: dict[str, Person] = {}
        self.rooms: dict[str, list[tuple[str, str, bool]]] = {}
        """For each room what its members were told: (client, partner, initiator)."""
        self.number = 0

    # --- what people do -----------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Something happens to somebody."""
        alive = [person for person in self.people.values() if not person.over]
        if not alive or (len(alive) < 30 and self.random.random() < 0.15):
            client = self.daemon.client()
            self.people[client.id] = Person(client)
        else:
            person = self.random.choice(alive)
            act = self.random.choices(
                [self.available, self.next, self.leave, self.signal, self.nonsense, self.close, self.vanish, self.wait],
                [20, 8, 4, 30, 8, 2, 2, 4],
            )[0]
            act(person)
        self.look()

    def available(self, person: Person) -> None:
        if person.room is None:
            person.waits = True
            self.say(person, {"type": "available"})
        else:
            self.say(person, {"type": "available"}, "ALREADY_PAIRED")

    def next(self, person: Person) -> None:
        if person.room is None:
            self.say(person, {"type": "next"}, "NOT_PAIRED")
        else:
            person.room = person.partner = None
            person.waits = True
            self.say(person, {"type": "next"})

    def leave(self, person: Person) -> None:
        person.room = person.partner = None
        person.waits = False
        self.say(person, {"type": "leave"})

    def signal(self, person: Person) -> None:
        messages: list[bytes] = []
        for _ in range(self.random.randint(1, 3)):
            self.number += 1
            kind, field = self.random.choice([("offer", "sdp"), ("answer", "sdp"), ("ice", "candidate")])
            messages.append(json.dumps({"type": kind, field: {"n": self.number}, "from": "somebody"}).encode())
            if person.room is not None:
                person.sent.append((person.room, self.number))
        unpaired = person.room is None
        person.client.write(b"".join(client_frame(TEXT, message) for message in messages))
        if unpaired:
            self.refused(person, ["NOT_PAIRED"] * len(messages))

    def nonsense(self, person: Person) -> None:
        frame, code = self.random.choice(
            [
                (client_frame(TEXT, b"{"), "INVALID_FORMAT"),
                (client_frame(BINARY, b"\x00"), "INVALID_FORMAT"),
                (client_frame(TEXT, b'{"type":"dance"}'), "UNKNOWN_TYPE"),
                (client_frame(TEXT, b'{"type":"offer"}'), "INVALID_FORMAT"),
            ]
        )
        person.client.write(frame)
        self.refused(person, [code])

    def close(self, person: Person) -> None:
        person.over = True
        person.client.close()

    def vanish(self, person: Person) -> None:
        person.over = True
        person.client.vanish()

    def wait(self, person: Person) -> None:
        self.daemon.advance(self.random.choice([0.5, 1.0, 4.0]))

    def say(self, person: Person, message: Message, *codes: str) -> None:
        person.client.send(**message)
        self.refused(person, list(codes))

    def refused(self, person: Person, codes: list[str]) -> None:
        errors = [message for message in person.client.messages if message["type"] == "error"]
        assert [error["code"] for error in errors] == codes, (errors, codes)
        person.client.messages = [message for message in person.client.messages if message["type"] != "error"]

    # --- what must hold -----------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Everybody reads what came, then all of it is compared."""
        for name, person in self.people.items():
            messages = person.client.take()
            assert not (person.over and messages), f"{name} is gone, and yet got {messages}"
            for message in messages:
                getattr(self, "see_" + message["type"].replace("-", "_"))(name, person, message)
        alive = {name: person for name, person in self.people.items() if not person.over}
        for name, person in alive.items():
            if person.room is not None:
                assert person.partner in alive, f"{name} has a partner that is gone"
                partner = alive[person.partner]
                assert (partner.room, partner.partner) == (person.room, name), f"{name} and its partner do not agree"
        for room, told in self.rooms.items():
            assert len(told) == 2, f"{room} was announced to {told}"
            (one, other, first), (same, back, second) = told
            assert (one, other) == (back, same), told
            assert one != other, f"{one} was matched with itself"
            assert first != second, f"{room} has two initiators or none"
        assert self.daemon.clients == len(alive)

    def see_matched(self, name: str, person: Person, message: Message) -> None:
        assert set(message) == {"type", "roomId", "partnerId", "initiator"}
        assert person.room is None, f"{name} got a second partner"
        assert person.waits, f"{name} was matched, and did not wait"
        person.waits = False
        person.room, person.partner = message["roomId"], message["partnerId"]
        self.rooms.setdefault(message["roomId"], []).append((name, message["partnerId"], message["initiator"]))

    def see_partner_left(self, name: str, person: Person, message: Message) -> None:
        assert person.room is not None, f"the partner of {name} left, and it had none"
        person.room = person.partner = None
        person.waits = self.requeue
        # It may have been the silent one, and would not wait before it says something.
        self.ping(person)

    def ping(self, person: Person) -> None:
        """It is awake."""
        person.client.send("ping")
        person.client.messages = [each for each in person.client.messages if each["type"] != "pong"]

    def see_offer(self, name: str, person: Person, message: Message) -> None:
        assert person.room is not None, f"{name} got {message} without a partner"
        assert message["from"] == person.partner
        payload: dict[str, int] = message["candidate" if message["type"] == "ice" else "sdp"]
        person.got.append((person.room, payload["n"]))

    see_answer = see_ice = see_offer

    def end(self) -> None:
        """At the end: every signal arrived once, in order, at the other one of its room, and nobody waits for ever."""
        sent: dict[tuple[str, str], list[int]] = {}
        got: dict[tuple[str, str], list[int]] = {}
        for name, person in self.people.items():
            for room, number in person.sent:
                (other,) = [partner for client, partner, _ in self.rooms[room] if client == name]
                sent.setdefault((other, room), []).append(number)
            for room, number in person.got:
                got.setdefault((name, room), []).append(number)
        assert got == sent
        # Nobody sleeps, or rooms would end in these seconds, and their members wait from then on.
        for person in self.people.values():
            if not person.over:
                self.ping(person)
        self.daemon.advance(5)
        self.look()
        waiting = [person for person in self.people.values() if person.waits and not person.over]
        assert len(waiting) < 2, f"{len(waiting)} wait although they could meet"


class Churn(MemoryTest):
    """Spec section 2, "What must hold, always"."""

    def test_random_histories(self) -> None:
        """In some order of events two people have one partner, a ghost is called, or a word reaches a stranger."""
        for seed in SEEDS:
            requeue = seed % 2 == 0
            daemon = self.start(REQUEUE_ON_PARTNER_LEAVE=str(requeue), MAX_MSG_PER_SECOND="1000000")
            world = World(daemon, seed, requeue)
            try:
                for _ in range(STEPS):
                    world.step()
                world.end()
            except AssertionError as error:
                raise AssertionError(f"seed {seed}: {error}") from error
            self.assertGreater(len(world.rooms), 20)
            self.assertGreater(Counter(len(person.got) > 0 for person in world.people.values())[True], 10)
            self.assertStops(daemon)
        self.assertEqual(self.flushLoggedErrors(), [])

    def assertStops(self, daemon: MemoryDaemon) -> None:
        """A stop after all this leaves nothing behind."""
        stopped = daemon.stop()
        daemon.advance(0.1)
        self.successResultOf(stopped)
        self.assertEqual(daemon.clock.getDelayedCalls(), [])
