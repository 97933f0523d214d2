"""A whole service in one value: instances with the real pairing, links and sessions, and a store that does as told.

Every step that could come before or after another one is a step of its own: a command reaches the store, its answer
comes back, letters are read, a client acts, a second passes, something breaks. Links are in order each, and not among
each other. Between neighbours letters go by a socket, which overtakes the store, comes and goes. What
`signald.brokers.redis.broker` does around pairing and links is done here without I/O.
"""

import pickle
import re
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from msgspec import Raw

from signald.brokers.redis import outside
from signald.brokers.redis.keys import class_of, file_ticket, forms, parse_ticket
from signald.brokers.redis.letters import Claim, Envelope, Left, Letter, Relayed, Sync, decode
from signald.brokers.redis.links import Incoming, Outgoing
from signald.brokers.redis.outside import Taken, Wanted
from signald.brokers.redis.pairing import Pairing
from signald.brokers.redis.relaying import Relaying
from signald.core.blocks import Blocks
from signald.core.effects import Effects, Enqueue, LeaveRoom, Relay, Withdraw
from signald.core.encounters import Party
from signald.core.ids import ClientId, RoomId
from signald.core.inputs import Disconnected, PartnerFound, PartnerGone
from signald.core.matching import Ticket
from signald.core.messages import Available, Ice, Leave, Next, Parting, ProtocolError
from signald.core.passes import Attempt
from signald.core.session import Session
from signald.core.standing import Policy, State
from signald.core.wishes import NO_WISH, Side, may_meet
from tests.model import queue
from tests.model.queue import Filed
from tests.model.steps import Step, let_end

LEASE_S = 8
BURIED_AFTER_S = 16
"""When the last of the others has noticed that a lease is missing."""

EARLY_S = 2
"""How long a batch waits for those before it; as `neighbours.EARLY_TICKS`."""

_ROOM = re.compile(r"R\d+")
_WORDS = {"available": Available(), "next": Next(), "leave": Leave(), "go": Disconnected()}


class Instance:
    """One process: `Outside` and `BrokerEvents` of its pairing."""

    def __init__(self, world: "World", name: str, clients: list[str]) -> None:
        self.world = world
        self.name = name
        self.died_at: int | None = None
        self.connected = True
        """Whether commands go to the store."""
        self.hears = True
        """Whether letters come from there: that is another connection."""
        self.relaying = Relaying(self, self)
        self.pairing = Pairing(name, self, self, world.new_room_id, Blocks(3600.0), self.relaying)
        policy = Policy(rematch_delay_s=1.0)
        self.sessions = {
            ClientId(client): Session(ClientId(client), policy, v1=is_modern(client)) for client in clients
        }
        self.commands: deque[Step] = deque()
        self.replies: deque[Step] = deque()
        self.outgoing: dict[str, Outgoing] = {}
        self.ready: set[str] = set()
        self.incoming: dict[str, Incoming] = {}
        self.position = 0
        self.links = 0
        self.shunned: dict[str, float] = {}
        self.effects: deque[tuple[Session, Effects]] = deque()
        self.running = False
        self.heard: dict[str, list[int]] = {}
        self.tidy_at = 0
        self.sockets: dict[str, deque[bytes]] = {}
        """What neighbours have written, by who has."""
        self.waited: dict[str, int] = {}
        """Seconds for which the first of it has waited for letters before it."""

    # --- Outside ------------------------------------------------------------------------------------------------------

    def seek(self, ticket: Ticket, wanted: Wanted) -> None:
        shunned = frozenset(name for name, until in self.shunned.items() if until > self.world.now)
        name = "" if ticket.wish is None else class_of(wanted.side)
        own = Filed(ticket.pool, name, file_ticket(self.name, ticket, avoiding=wanted.avoiding))
        former = tuple(form for form in self.forms(ticket) if form != own)
        place = int((self.world.now - wanted.waited_s) * 1e6) if wanted.place is None else wanted.place
        search = queue.Search(own, wanted.side, place, former, shunned, plain=not ticket.pool)
        self.commands.append(("match", ticket, search))

    def forms(self, ticket: Ticket) -> list[Filed]:
        """All ways in which a ticket may have been filed."""
        return [Filed(ticket.pool, *form) for form in forms(self.name, ticket)]

    def unfile(self, ticket: Ticket) -> None:
        if self.connected:
            self.commands.append(("unfile", ticket))

    def send(self, instance: str, letter: Letter) -> None:
        link = self.outgoing.get(instance)
        if link is None:
            self.links += 1
            link = self.outgoing[instance] = Outgoing(self.name, (self.name, self.links))
        link.add(letter)
        self.ready.add(instance)

    def block(self, by: Party, whom: Party) -> None:
        raise AssertionError("nobody blocks here")

    def fence(self, client: ClientId, epoch: int, attempt: Attempt) -> bool:
        """See `Outside.fence`."""
        return True

    def suspect(self, instance: str) -> None:
        self.shunned[instance] = self.world.now + 5.0

    @property
    def reachable(self) -> bool:
        """Whether both connections are there."""
        return self.connected and self.hears

    # --- BrokerEvents, and what `clients` does ------------------------------------------------------------

    def matched(self, found: PartnerFound) -> bool:
        session = self.sessions[found.ticket.client]
        if session.ticket != found.ticket:
            return False
        assert found.partner != session.client, "matched with itself"
        assert found.takes_data == is_modern(found.partner), f"{found.partner} is taken for what it is not"
        self.world.matched.append((session.client, found.partner))
        self.give(session, found)
        return session.state is State.PAIRED

    def refused(self, ticket: Ticket, problem: ProtocolError) -> None:
        raise AssertionError("there is room for all")

    def relayed(self, client: ClientId, room: RoomId, text: bytes, is_offer: bool = False) -> None:
        session = self.sessions[client]
        if session.room == room:
            said_in, number = text.decode().split()
            assert said_in == room, f"said in {said_in}, heard in {room}"
            heard = self.heard.setdefault(f"{client} in {room}", [])
            assert int(number) == len(heard), f"heard {number} after {heard}"
            heard.append(int(number))

    def partner_away(self, client: ClientId, room: RoomId, seconds: float) -> None:
        """See `BrokerEvents.partner_away`."""

    def partner_back(self, client: ClientId, room: RoomId, lost: bool) -> None:
        """See `BrokerEvents.partner_back`."""

    def resumes(self, client: ClientId) -> bool:
        """See `BrokerEvents.resumes`."""
        return False

    def is_here(self, client: ClientId) -> bool:
        """See `BrokerEvents.is_here`."""
        return True

    def partner_left(self, client: ClientId, room: RoomId, why: Parting = "gone") -> None:
        if why in ("next", "leave"):
            assert why in self.world.parted[room], f"{client} hears {why} of {room}, which nobody said"
        self.give(self.sessions[client], PartnerGone(room, why))

    def give(self, session: Session, given: Any) -> None:
        self.effects.append((session, session.receive(given, self.world.now)))
        if self.running:
            return
        self.running = True
        while self.effects:
            session, effects = self.effects.popleft()
            for effect in effects:
                self._run(session, effect)
        self.running = False

    def _run(self, session: Session, effect: Any) -> None:
        if isinstance(effect, Enqueue) and session.ticket == effect.ticket:
            self.pairing.enqueue(effect.ticket, self.world.now)
        elif isinstance(effect, Withdraw):
            self.pairing.withdraw(effect.ticket, self.world.now)
        elif isinstance(effect, LeaveRoom):
            self.world.parted.setdefault(effect.room, set()).add(effect.why)
            self.relaying.leave(effect.room, session.client, effect.why)
        elif isinstance(effect, Relay):
            key = f"{session.client} in {effect.room}"
            number = self.world.said.get(key, 0)
            self.world.said[key] = number + 1
            self.relaying.relay(effect.room, session.client, f"{effect.room} {number}".encode())

    # --- what the broker does -----------------------------------------------------------------------------------------

    def flush(self) -> None:
        """The end of a turn: what is to be sent goes to the store."""
        if self.reachable:
            for name in sorted(self.ready):
                link = self.outgoing.get(name)
                socket = self.world.socket(self.name, name)
                while link is not None and (batch := link.send()) is not None:
                    if socket is None:
                        self.commands.append(("append", name, batch))
                    else:
                        socket.append(batch)
                        self._arrived(link)
            self.ready.clear()
        for link in list(self.outgoing.values()):
            self.relaying.hold(link.count())

    def answered(self, command: Step, reply: Any) -> None:
        """The store's answer came."""
        now = self.world.now
        if command[0] == "match":
            self.pairing.sought(command[1], reply, now)
        elif command[0] == "append":
            link = self.outgoing.get(command[1])
            if link is None:
                return
            if reply:
                self._arrived(link)
                if len(link):
                    self.ready.add(command[1])
            else:
                link.failed()
                self.pairing.unanswered(command[1], now)

    def _arrived(self, link: Outgoing) -> None:
        self.relaying.release(link.arrived())

    def is_early(self, sender: str) -> bool:
        """Whether what a neighbour has written has overtaken what it has sent before."""
        return self.incoming.get(sender, Incoming()).is_early(decode(self.sockets[sender][0]))

    def hear_neighbour(self, sender: str) -> None:
        """Read what it has written."""
        batches, self.sockets[sender] = self.sockets[sender], deque()
        self.waited.pop(sender, None)
        self.read([decode(batch) for batch in batches])

    def read(self, envelopes: list[Envelope]) -> None:
        """Letters came."""
        now = self.world.now
        over = {letter.room for envelope in envelopes for letter in envelope.letters if isinstance(letter, Left)}
        for envelope in envelopes:
            lost, letters = self.incoming.setdefault(envelope.sender, Incoming()).accept(envelope)
            if lost:
                self.pairing.lost(envelope.sender, now)
            for letter in letters:
                if isinstance(letter, Relayed):
                    self.relaying.relayed(envelope.sender, letter)
                elif not (isinstance(letter, Claim) and letter.room in over):
                    self.pairing.read(envelope.sender, letter, now)

    def away(self) -> None:
        """The connections are lost; what was under way has no answer."""
        self.connected = False
        self.commands.clear()
        self.replies.clear()
        self.pairing.store_away(self.world.now)

    def up(self) -> None:
        """The connections are made again."""
        store = self.world
        store.leases.add(self.name)
        if self.name not in store.streams:
            store.streams[self.name] = []
            self.position = 0
        self._tidy()
        self.tidy_at = self.world.now + 5
        self.connected = True
        self.joined()

    def joined(self) -> None:
        """One of the connections is made; if both are, everything begins anew."""
        if self.reachable:
            self._catch_up()
            for name, link in self.outgoing.items():
                link.failed()
                self.ready.add(name)

    def deaf(self) -> None:
        """The connection for letters is lost; commands go on."""
        self.hears = False
        self.pairing.store_away(self.world.now)

    def hear(self) -> None:
        """It is made again."""
        self.hears = True
        self.joined()

    def _tidy(self) -> None:
        keep = {(ticket.client, ticket.number) for ticket in self.pairing.tickets()}
        for filed in list(self.world.queue):
            instance, client, number = parse_ticket(filed.ticket)
            if instance == self.name and (client, number) not in keep:
                del self.world.queue[filed]

    def _catch_up(self) -> None:
        self.pairing.store_back(self.world.now)
        for name in self.pairing.instances():
            self.pairing.check(name)

    def second(self) -> None:
        """A second has passed."""
        now = self.world.now
        self.pairing.tick(now)
        for sender in [name for name, written in self.sockets.items() if self.reachable and written]:
            self.waited[sender] = self.waited.get(sender, 0) + 1
            if not self.is_early(sender) or self.waited[sender] >= EARLY_S:
                self.hear_neighbour(sender)
        if self.reachable and now == self.tidy_at:
            self._tidy()
        if not self.reachable or now % 2:
            return
        if self.name not in self.world.leases:  # the store lost its data, and the connection was kept
            self.world.leases.add(self.name)
            self.world.streams[self.name] = []
            self.position = 0
            self._catch_up()
        for other in self.world.instances:
            if other.died_at is not None and now - other.died_at >= BURIED_AFTER_S:
                self.pairing.gone(other.name, now)
                self.outgoing.pop(other.name, None)
                self.incoming.pop(other.name, None)
        for name, link in self.outgoing.items():
            if len(link):
                self.ready.add(name)
            elif not link.silent:
                self.send(name, Sync())


class World:
    """All instances and the store.

    Args:
        clients: The clients of each instance.
        wishes: What some of them say; others say nothing.
        neighbours: Whether all are on one machine.
    """

    def __init__(
        self, *clients: list[str], wishes: Mapping[str, Available] | None = None, neighbours: bool = False
    ) -> None:
        self.neighbours = neighbours
        self.apart: set[tuple[str, str]] = set()
        self.wishes = wishes or {}
        self.now = 1
        self.rooms = 0
        self.queue: dict[Filed, int] = {}
        self.sides: dict[str, Side] = {"": NO_WISH}
        self.leases: set[str] = set()
        self.streams: dict[str, list[bytes]] = {}
        self.said: dict[str, int] = {}
        self.parted: dict[RoomId, set[Parting]] = {}
        self.matched: list[tuple[str, str]] = []
        self.instances = [Instance(self, "ABC"[number], own) for number, own in enumerate(clients)]
        for instance in self.instances:
            self.leases.add(instance.name)
            self.streams[instance.name] = []

    def socket(self, sender: str, receiver: str) -> deque[bytes] | None:
        """What goes from one instance to another by a socket, if there is one."""
        to = next(instance for instance in self.instances if instance.name == receiver)
        if not self.neighbours or (sender, receiver) in self.apart or to.died_at is not None:
            return None
        return to.sockets.setdefault(sender, deque())

    def new_room_id(self) -> RoomId:
        self.rooms += 1
        return RoomId(f"R{self.rooms}")

    def save(self) -> bytes:
        """The state, for `load`."""
        return pickle.dumps(self, pickle.HIGHEST_PROTOCOL)

    @staticmethod
    def load(saved: bytes) -> "World":
        """A world in a saved state."""
        world: World = pickle.loads(saved)  # noqa: S301 - our own
        return world

    def key(self) -> str:
        """The state as text, the same for worlds that differ in nothing but the names of rooms."""
        state = [
            (
                instance.died_at,
                instance.connected,
                instance.hears,
                _pairing(instance),
                [(s.client, s.state.name, s.ticket, s.room, s.partner) for s in instance.sessions.values()],
                list(instance.commands),
                list(instance.replies),
                _links(instance),
                instance.position,
                instance.shunned,
                instance.tidy_at,
                sorted(instance.ready),
                sorted(instance.sockets.items()),
                sorted(instance.waited.items()),
            )
            for instance in self.instances
        ]
        stored = sorted(self.queue.items()), sorted(self.leases), sorted(self.streams.items()), sorted(self.apart)
        names: dict[str, str] = {}
        return _ROOM.sub(lambda room: names.setdefault(room[0], f"r{len(names)}"), repr((self.now, state, stored)))

    def running(self) -> Iterator[tuple[int, Instance]]:
        """The instances that live."""
        return ((number, instance) for number, instance in enumerate(self.instances) if instance.died_at is None)

    # --- steps --------------------------------------------------------------------------------------------------------

    def moves(self) -> list[Step]:
        """What is under way and may happen next."""
        steps: list[Step] = []
        for number, instance in self.running():
            if instance.commands:
                steps.append(("store", number))
            if instance.replies:
                steps.append(("reply", number))
            if instance.reachable and len(self.streams.get(instance.name, ())) > instance.position:
                steps.append(("read", number))
            if not instance.connected:
                steps.append(("up", number))
            if not instance.hears:
                steps.append(("hear", number))
            for sender, written in instance.sockets.items():
                if written and not instance.is_early(sender):
                    steps.append(("listen", number, sender))
        return steps

    def words(self) -> list[Step]:
        """What clients may do next; what changes nothing is left out."""
        steps: list[Step] = []
        for number, instance in self.running():
            for client, session in instance.sessions.items():
                if session.state is State.IDLE:
                    steps.append(("say", number, client, "available"))
                elif session.state is State.WAITING:
                    steps.append(("say", number, client, "leave"))
                elif session.state is State.PAIRED:
                    steps += [("say", number, client, word) for word in ("next", "leave", "ice")]
                if session.state in (State.WAITING, State.PAIRED):
                    steps.append(("say", number, client, "go"))
        return steps

    def faults(self) -> list[Step]:
        """What may break next."""
        steps: list[Step] = [("flush store",), ("empty store",)]
        for number, instance in self.running():
            steps.append(("die", number))
            if instance.connected:
                # What was sent may be done or not, and done later than what is sent on the next connection.
                steps += [("cut", number, done) for done in range(len(instance.commands) + 1)]
                steps += [("late", number)] if instance.commands else []
            if instance.hears:
                steps.append(("deaf", number))
            if len(self.streams.get(instance.name, ())) > instance.position + 1:
                steps.append(("trim", number))
            for sender in instance.sockets:
                steps.append(("join" if (sender, instance.name) in self.apart else "part", number, sender))
        return steps

    def do(self, step: Step) -> None:
        """Do one step."""
        kind, *rest = step
        getattr(self, "_" + kind.replace(" ", "_"))(*rest)
        for _, instance in self.running():
            instance.flush()

    def _store(self, number: int) -> None:
        instance = self.instances[number]
        command = instance.commands.popleft()
        instance.replies.append((command, self._execute(instance, command)))

    def _execute(self, instance: Instance, command: Step) -> Any:
        if command[0] == "match":
            _, _, search = command
            found = queue.match(self.queue, self.sides, self.leases, search)
            if found.taken is None:
                return outside.Filed(search.place)
            name, client, number = parse_ticket(found.taken)
            return Taken(search.place, name, ClientId(client), number)
        if command[0] == "unfile":
            for filed in instance.forms(command[1]):
                self.queue.pop(filed, None)
            return None
        stream = self.streams.get(command[1])
        if stream is None:
            return False
        stream.append(command[2])
        return True

    def _reply(self, number: int) -> None:
        instance = self.instances[number]
        instance.answered(*instance.replies.popleft())

    def _read(self, number: int) -> None:
        instance = self.instances[number]
        batches = self.streams[instance.name][instance.position :]
        instance.position += len(batches)
        instance.read([decode(batch) for batch in batches])

    def _listen(self, number: int, sender: str) -> None:
        self.instances[number].hear_neighbour(sender)

    def _part(self, number: int, sender: str) -> None:
        """A socket ends, with what was not read."""
        instance = self.instances[number]
        instance.sockets[sender].clear()
        instance.waited.pop(sender, None)
        self.apart.add((sender, instance.name))

    def _join(self, number: int, sender: str) -> None:
        """There is one again."""
        self.apart.discard((sender, self.instances[number].name))

    def _up(self, number: int) -> None:
        self.instances[number].up()

    def _deaf(self, number: int) -> None:
        self.instances[number].deaf()

    def _hear(self, number: int) -> None:
        self.instances[number].hear()

    def _say(self, number: int, client: str, word: str) -> None:
        instance = self.instances[number]
        session = instance.sessions[ClientId(client)]
        try:
            said = self.wishes.get(client, _WORDS[word]) if word == "available" else _WORDS.get(word)
            instance.give(session, said or Ice(payload=Raw(b"{}")))
        except ProtocolError:
            raise AssertionError(f"{client} may not say {word}") from None

    def _second(self) -> None:
        self.now += 1
        for other in self.instances:
            if other.died_at is not None and self.now - other.died_at >= LEASE_S:
                self.leases.discard(other.name)
        for _, instance in self.running():
            instance.second()

    def _die(self, number: int) -> None:
        instance = self.instances[number]
        instance.died_at = self.now
        instance.commands.clear()
        instance.replies.clear()

    def _cut(self, number: int, done: int) -> None:
        instance = self.instances[number]
        for command in list(instance.commands)[:done]:
            self._execute(instance, command)
        instance.away()

    def _late(self, number: int) -> None:
        instance = self.instances[number]
        commands = list(instance.commands)
        instance.away()
        instance.up()
        for command in commands:
            self._execute(instance, command)

    def _trim(self, number: int) -> None:
        """Letters are lost but for the last: the stream was too long."""
        instance = self.instances[number]
        instance.position = len(self.streams[instance.name]) - 1

    def _flush_store(self) -> None:
        """The store loses its data; connections stay."""
        self.queue.clear()
        self.leases.clear()
        self.streams.clear()
        for instance in self.instances:
            instance.position = 0

    def _empty_store(self) -> None:
        """The store is restarted with nothing."""
        self._flush_store()
        for _, instance in self.running():
            instance.away()

    # --- rest ---------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Let all that is under way end, and time pass until a dead instance is buried, and claims at it run out."""
        for _ in range(BURIED_AFTER_S + 10):
            let_end(self, 1000)
            self.do(("second",))

    def check(self) -> None:
        """At rest: partners agree, heard all, and of those who live no two wait who may meet."""
        sessions = {
            client: (session, instance)
            for _, instance in self.running()
            for client, session in instance.sessions.items()
        }
        waiting = [client for client, (session, _) in sessions.items() if session.state is State.WAITING]
        tickets = [session.ticket for session, _ in sessions.values() if session.ticket is not None]
        for one, other in combinations(tickets, 2):
            assert not _may_meet(one, other, self.now), f"{one.client} and {other.client} wait"
        for client, (session, instance) in sessions.items():
            if session.state is State.PAIRED:
                partner, _ = sessions.get(session.partner, (None, None))  # type: ignore[arg-type]
                assert partner is not None, f"{client} is paired with {session.partner}, who died"
                assert (partner.room, partner.partner) == (session.room, client), f"{client} alone in its room"
                said = self.said.get(f"{session.partner} in {session.room}", 0)
                heard = instance.heard.get(f"{client} in {session.room}", [])
                assert len(heard) == said, f"{client} heard {heard} of {said}"
        rooms = sum(len(instance.relaying) for _, instance in self.running())
        paired = sum(session.state is State.PAIRED for session, _ in sessions.values())
        local = sum(len(instance.relaying._local) for _, instance in self.running())
        assert rooms + local == paired, f"{rooms} rooms and {paired} paired clients"
        # Tickets of the dead are removed by whoever comes upon them.
        texts = [filed.ticket for filed in self.queue]
        filed = {client for instance, client, _ in map(parse_ticket, texts) if instance in self.leases}
        assert filed == set(waiting), f"{filed} stand in the queue, {waiting} wait"
        assert not any(instance.relaying.held_bytes for _, instance in self.running())


def is_modern(client: str) -> bool:
    """Whether a client speaks the protocol of today: every other one does."""
    return ord(client[-1]) % 2 == 1


def _may_meet(one: Ticket, other: Ticket, now: float) -> bool:
    """Whether two tickets that were kept apart by nothing else are to be matched."""
    side, theirs = one.side(now), other.side(now)
    likes = not (side.prefers and theirs.prefers) or bool(set(one.likes) & set(other.likes))
    return one.pool == other.pool and may_meet(side, theirs) and likes


def _pairing(instance: Instance) -> list[Any]:
    pairing, relaying = instance.pairing, instance.relaying
    stays = [
        (stay.ticket, stay.place, stay.claim, stay.seeking, stay.sought_at, stay.seeks)
        for stay in pairing._stays.values()
    ]
    remote = [(room.id, room.client, room.partner, room.instance, room.held_bytes) for room in relaying._remote]
    claims = [(room, stay.ticket.client) for room, stay in pairing._claims._stays.items()]
    return [
        stays, pairing._queue.oldest(), claims, pairing._claims._deadlines, pairing._queue.changes,
        list(relaying._local.values()),
        remote, pairing._away_since, pairing._alone, pairing._looked_at, relaying.held_bytes,
    ]  # fmt: skip


def _links(instance: Instance) -> list[Any]:
    return [
        (name, link._epoch, link._first, link._letters, link.batch, link.silent)
        for name, link in sorted(instance.outgoing.items())
    ] + [(name, link._epoch, link._expected) for name, link in sorted(instance.incoming.items())]
