"""What can happen to a few clients of `signald.v1` and the service that they use, one step at a time."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.model.service import Process, Store
from tests.model.steps import Step, let_end
from tests.model.walker import Walker
from tests.support.journeys import check_absences, check_farewells
from tests.support.oracle import View, check_pairs, check_relays
from tests.support.redis import Commands

_HARMLESS = frozenset(
    ("store", "reply", "say", "drop", "deafen", "ask", "ask twice", "ask in vain", "ask late", "arrive")
)

QUARTERS = 4
"""Of a second, as the broker's tick has it."""


class Journeys:
    """All clients, all processes and the store.

    Args:
        commands: A connection to a real store.
        homes: For each instance, how many clients come to it first.
    """

    def __init__(self, commands: Commands, homes: tuple[int, ...]) -> None:
        self.now = 0.0
        self._faults: list[float] = []
        self.store = Store(commands)
        self.views: dict[str, View] = {}
        self.matches = 0
        self.relays = 0
        self.processes: list[Process | None] = [Process("ABC"[number], 0.0) for number in range(len(homes))]
        self.come_to_rest()
        self.walkers = [
            Walker(self, process) for process, count in zip(self.alive(), homes, strict=True) for _ in range(count)
        ]

    def alive(self) -> Iterator[Process]:
        """The processes that are not dead."""
        return (process for process in self.processes if process is not None)

    def running(self) -> Iterator[tuple[int, Process]]:
        """Those that do something."""
        return ((number, each) for number, each in enumerate(self.processes) if each is not None and each.runs)

    # --- steps --------------------------------------------------------------------------------------------------------

    def moves(self) -> list[Step]:
        """What is under way between the processes and the store, and may happen next."""
        steps: list[Step] = []
        for number, process in self.running():
            for place, wire in enumerate(process.wires):
                if wire.replies:
                    steps.append(("reply", number, place))
                elif wire.commands and not self.store.frozen and not self._waits(wire):
                    steps.append(("store", number, place))
        return steps

    def _waits(self, wire: Any) -> bool:
        """Whether the store has nothing for a connection that waits for letters."""
        words = wire.commands[0]
        if words[0] != b"XREAD" or wire.blocked_at is None:
            return False
        return not self.store.commands("XREAD", "COUNT", 1, "STREAMS", *words[-2:])

    def words(self) -> list[Step]:
        """What clients may do next."""
        steps: list[Step] = []
        opened = [number for number, process in self.running() if process.open]
        for at, walker in enumerate(self.walkers):
            if walker.free:
                state = walker.view.certain
                kind = "" if state is None else state.kind
                said = {"idle": ["available"], "waiting": ["leave"], "paired": ["ice", "ice", "next", "leave"]}
                steps += [("say", at, word) for word in said.get(kind, ["available"])]
            if walker.here:
                steps += [("drop", at), ("deafen", at)]
            elif walker.line is None and not walker.asks:
                steps += [("ask", at, number) for number in opened]
                steps += [("ask twice", at, one, two) for one in opened for two in opened]
                steps += [(how, at, number) for number in opened for how in ("ask in vain", "ask late")]
            steps += [("arrive", at)] if walker.under_way else []
        return steps

    def faults(self) -> list[Step]:
        """What may break next, or be mended."""
        steps: list[Step] = [("empty",), ("freeze store",) if not self.store.frozen else ("thaw store",)]
        for number, process in enumerate(self.processes):
            if process is None:
                steps.append(("start", number))
            elif not process.runs:
                steps.append(("thaw", number))
            else:
                steps += [("kill", number), ("freeze", number)]
                steps += [("stop", number)] if process.open else []
                steps += [("cut", number, place) for place in range(len(process.wires))]
        return steps

    def faults_since(self, when: float) -> int:
        """How often something broke, or the store was silent for a second."""
        return sum(at >= when for at in self._faults)

    def can(self, step: Step) -> bool:
        """Whether a fault or a loss can happen now."""
        kind, *rest = step
        if kind == "drop":
            return self.walkers[rest[0]].here
        return step in self.faults() or kind == "thaw store"

    def do(self, step: Step) -> None:
        """Do one step, and let all hear of it."""
        kind, *rest = step
        if kind not in _HARMLESS:
            self._faults.append(self.now)
        getattr(self, "_" + kind.replace(" ", "_"))(*rest)
        self._settle()

    def _settle(self) -> None:
        for _ in range(3):
            for _, process in self.running():
                process.settle()
            for walker in getattr(self, "walkers", ()):
                walker.hear()
        for number, process in self.running():
            if process.stopping is not None and process.stopping.called:
                self._end(number)

    def _process(self, number: int) -> Process:
        process = self.processes[number]
        assert process is not None
        return process

    def _store(self, number: int, place: int) -> None:
        self._process(number).wires[place].execute(self.store, self.now)

    def _reply(self, number: int, place: int) -> None:
        self._process(number).wires[place].answer()

    def _quarter(self) -> None:
        self.now += 1 / QUARTERS
        self.store.tick(self.now)
        for _, process in self.running():
            process.clock.advance(1 / QUARTERS)
        if not self.store.frozen:
            for _, process in self.running():
                for wire in process.wires:
                    if wire.blocked_at is not None and wire.commands:
                        wire.execute(self.store, self.now)
        self._settle()

    def _second(self) -> None:
        for _ in range(QUARTERS):
            self._quarter()

    def _say(self, at: int, word: str) -> None:
        self.walkers[at].say(word)

    def _drop(self, at: int) -> None:
        self.walkers[at].drop()

    def _deafen(self, at: int) -> None:
        self.walkers[at].deafen()

    def _ask(self, at: int, number: int) -> None:
        self.walkers[at].ask(self._process(number))

    def _ask_twice(self, at: int, one: int, two: int) -> None:
        self.walkers[at].ask(self._process(one))
        self.walkers[at].ask(self._process(two), again=False)

    def _ask_in_vain(self, at: int, number: int) -> None:
        self.walkers[at].ask_in_vain(self._process(number))

    def _ask_late(self, at: int, number: int) -> None:
        self.walkers[at].ask_late(self._process(number))

    def _arrive(self, at: int) -> None:
        self.walkers[at].arrive()

    def _empty(self) -> None:
        self.store.empty()
        for process in self.alive():
            for wire in list(process.wires):
                wire.cut()

    def _freeze_store(self) -> None:
        self.store.frozen = True

    def _thaw_store(self) -> None:
        self.store.frozen = False

    def _cut(self, number: int, place: int) -> None:
        self._process(number).wires[place].cut()

    def _kill(self, number: int) -> None:
        self._end(number)

    def _end(self, number: int) -> None:
        process = self._process(number)
        self.processes[number] = None
        for walker in self.walkers:
            walker.gone(process)

    def _start(self, number: int) -> None:
        self.processes[number] = Process("ABC"[number], self.now)

    def _stop(self, number: int) -> None:
        process = self._process(number)
        process.stopping = process.stop()

    def _freeze(self, number: int) -> None:
        self._process(number).frozen_at = self.now

    def _thaw(self, number: int) -> None:
        process = self._process(number)
        assert process.frozen_at is not None
        slept_s = self.now - process.frozen_at
        process.frozen_at = None
        process.clock.advance(slept_s)

    # --- rest ---------------------------------------------------------------------------------------------------------

    def come_to_rest(self) -> None:
        """Let a second pass in which the store answers at once."""
        for _ in range(QUARTERS):
            let_end(self, 2000)
            self._quarter()

    def mend(self) -> None:
        """End all faults; everybody comes back, and does nothing more."""
        self.store.frozen = False
        for number, process in enumerate(self.processes):
            if process is None:
                self.do(("start", number))
            elif not process.runs:
                self.do(("thaw", number))
        for walker in self.walkers:
            if walker.line is not None and not walker.line.transport.reads:
                walker.drop()
            walker.close_unheard()
        for second in range(60):
            self._bring_back(second)
            self.come_to_rest()
            if second > 12 and not self.wrong():
                return
        raise AssertionError(self.wrong())

    def _bring_back(self, turn: int) -> None:
        opened = [number for number, process in self.running() if process.open]
        for number, process in enumerate(self.processes):
            if process is None:
                self.do(("start", number))
        for at, walker in enumerate(self.walkers):
            if opened and walker.line is None and not walker.asks:
                self.do(("ask", at, opened[(at + turn) % len(opened)]))
            elif walker.free and walker.view.needs_certainty:
                self.do(("say", at, "available"))

    def wrong(self) -> str:
        """At rest: what does not hold; empty if all does."""
        away = [walker.view.client for walker in self.walkers if walker.line is None]
        if away:
            return f"{away} are away"
        homes = Counter(client for process in self.alive() for client in process.homes())
        alive = {client for client, view in self.views.items() if view.gone_at is None}
        if homes != Counter(alive):
            return f"homes {homes} of {alive}"
        if any(state == "away" for process in self.alive() for state in process.homes().values()):
            return "somebody is away for the service"
        return check_pairs(self.views) or check_absences(self.views)

    def check(self) -> None:
        """At rest: what must have held all the time."""
        self.relays += check_relays(self.views)
        check_farewells(self.views)
        held = [process.daemon._broker.held_bytes for process in self.alive()]
        assert not any(held), f"{held} bytes are held for nobody"
        assert len(self.store.commands("ZRANGE", "webrtc:waiting", 0, -1)) <= 1
