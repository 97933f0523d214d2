"""Carries letters between instances: links out of this one and into it, and what is between them.

Letters leave at the end of the reactor's turn, together, one batch on its way to each instance at a time: over a socket
to one on the same machine, else through the store.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from signald.brokers.redis.letters import Envelope, Letter, Sync
from signald.brokers.redis.links import Incoming, Outgoing
from signald.brokers.redis.neighbours import Neighbours
from signald.brokers.redis.protocol import AtTurnsEnd
from signald.brokers.redis.store import Store

FAREWELLS_KEPT = 100
"""Instances that have stopped of which it is known how many letters they had written: those of a moment ago."""


class Post:
    """Sends and takes this instance's letters.

    Args:
        store: Where letters are put.
        neighbours: Take letters past it.
        boot: This process's boot id.
        at_turns_end: Has it flushed when the reactor's turn is over.
        hold: Told of letters that have not arrived by the end of a turn.
        release: Told of those of them that have arrived, or never will.
        unreachable: Told of an instance that has no stream; its letters are kept.
    """

    def __init__(
        self,
        store: Store,
        neighbours: Neighbours,
        boot: str,
        at_turns_end: AtTurnsEnd,
        hold: Callable[[list[Letter]], None],
        release: Callable[[list[Letter]], None],
        unreachable: Callable[[str], None],
    ) -> None:
        self._store = store
        self._neighbours = neighbours
        self._boot = boot
        self._at_turns_end = at_turns_end
        self._hold = hold
        self._release = release
        self._unreachable = unreachable
        self._outgoing: dict[str, Outgoing] = {}
        self._incoming: dict[str, Incoming] = {}
        self._farewells: OrderedDict[str, Incoming] = OrderedDict()
        self._links = 0
        self._ready: set[str] = set()
        self._will_flush = False
        self._stopped = False

    def __bool__(self) -> bool:
        return any(self._outgoing.values())

    def instances(self) -> set[str]:
        """Every instance to which something was sent."""
        return set(self._outgoing)

    def send(self, instance: str, letter: Letter) -> None:
        """Send a letter to another instance."""
        link = self._outgoing.get(instance)
        if link is None:
            self._links += 1
            link = self._outgoing[instance] = Outgoing(self._store.instance, (self._boot, self._links))
        link.add(letter)
        self._ready.add(instance)
        if not self._will_flush:
            self._will_flush = True
            self._at_turns_end(self)

    def flush(self) -> None:
        """Send now what is ready, if the store can be reached."""
        self._will_flush = False
        if self._stopped:
            return
        reachable = self._store.reachable
        ready = self._ready
        if reachable:
            self._ready = set()
        for instance in list(ready):
            link = self._outgoing.get(instance)
            if link is None:
                continue
            if reachable:
                self._send(instance, link)
            late = link.count()
            if late:
                self._hold(late)

    def _send(self, instance: str, link: Outgoing) -> None:
        while (batch := link.send()) is not None:
            way = self._neighbours.way(instance)
            if way is None:
                appended = self._store.append(instance, batch)
                appended.addCallback(self._appended, instance, link, link.batch).addErrback(self._store.failed)
                return
            if not way.carry(batch, partial(self._carried, instance, link)):
                return
            counted = link.arrived()
            if counted:
                self._release(counted)

    def send_again(self) -> None:
        """Send what was on its way when the store was lost, and what came since."""
        for instance, link in self._outgoing.items():
            if not self._neighbours.is_under_way(instance):
                link.failed()
            self._ready.add(instance)
        self.flush()

    def sync(self) -> None:
        """Let each receiver notice what was lost, and send again what had no stream to go to."""
        for instance, link in self._outgoing.items():
            if len(link):
                self._ready.add(instance)
            elif not link.silent:
                self.send(instance, Sync())
        self.flush()

    def is_early(self, envelope: Envelope) -> bool:
        """Whether letters before a batch have not come; see `links.Incoming.is_early`."""
        incoming = self._incoming.get(envelope.sender) or self._farewells.get(envelope.sender) or Incoming()
        return incoming.is_early(envelope)

    def accept(self, envelope: Envelope) -> tuple[bool, list[Letter]]:
        """Take a batch of another instance; see `links.Incoming.accept`."""
        incoming = self._incoming.get(envelope.sender)
        if incoming is None:
            before = self._farewells.pop(envelope.sender, None)
            incoming = before if before is not None and before.is_of(envelope) else Incoming()
            self._incoming[envelope.sender] = incoming
        return incoming.accept(envelope)

    def farewell(self, instance: str) -> None:
        """The same as `unlink` for one that stops by itself: what it still says comes after what it has said."""
        incoming = self._incoming.get(instance)
        self.unlink(instance)
        if incoming is not None:
            self._farewells[instance] = incoming
            if len(self._farewells) > FAREWELLS_KEPT:
                self._farewells.popitem(last=False)

    def unlink(self, instance: str) -> None:
        """Forget the links with an instance: nothing comes from it any more, and nothing goes there."""
        link = self._outgoing.pop(instance, None)
        if link is not None:
            self._release(link.counted())
        self._incoming.pop(instance, None)
        self._neighbours.part(instance)

    def stop(self) -> None:
        """Send nothing more."""
        self._stopped = True

    def _appended(self, stands: bool, instance: str, link: Outgoing, batch: list[Letter] | None) -> None:
        """The store has answered: a batch stands in an instance's stream, or it has none."""
        if self._outgoing.get(instance) is not link or link.batch is not batch:  # else it has been sent again
            return
        if not stands:
            # No stream: the instance is gone, or the store lost its data and the instance will be back in a moment.
            # The next renewal tries again; claims need not wait for it.
            link.failed()
            self._unreachable(instance)
            return
        self._arrived(instance, link)

    def _carried(self, instance: str, link: Outgoing, arrived: bool) -> None:
        """A batch is over that went to a neighbour: what it did not take goes through the store."""
        if self._outgoing.get(instance) is not link:
            return
        if arrived:
            self._arrived(instance, link)
        else:
            link.failed()
            self._ready.add(instance)
            self.flush()

    def _arrived(self, instance: str, link: Outgoing) -> None:
        counted = link.arrived()
        if counted:
            self._release(counted)
        if len(link):
            self._ready.add(instance)
            self.flush()
