"""Links two instances, one way: letters arrive in order, at most once, and a loss is noticed.

The store may lose what it was given (it restarts empty) and may be given the same twice (a connection was cut before
the answer). Numbers tell both. One batch is on its way at a time: while it travels the next one grows, so there are
few batches under load and no delay without.
"""

from collections import deque
from collections.abc import Callable
from itertools import islice

from signald.brokers.redis.letters import Envelope, Letter, Sync, encode

MAX_BATCH_LETTERS = 500
"""Letters in one batch: about 150 kB of candidates, 1 ms of the receiver's time."""

Epoch = tuple[str, int]


class Outgoing:
    """Sends letters: the sender's end of a link.

    Letters that do not arrive within the turn in which they were written are counted, since they take memory.

    Args:
        sender: This instance.
        epoch: Names this link; greater than that of the link before it.
    """

    __slots__ = ("_counted", "_epoch", "_first", "_letters", "_sender", "add", "batch", "silent")

    def __init__(self, sender: str, epoch: Epoch) -> None:
        self._sender = sender
        self._epoch = epoch
        self._first = 1
        self._letters: deque[Letter] = deque()
        self.batch: list[Letter] | None = None
        """Those that are on their way: sent, and neither arrived nor failed. Never empty; None if there are none."""
        self._counted = 0
        self.add: Callable[[Letter], None] = self._letters.append
        """Puts a letter at the end."""
        self.silent = True
        """Whether nothing has arrived since the last `Sync`, by which the receiver notices that letters were lost."""

    def __len__(self) -> int:
        return len(self._letters) + len(self.batch or ())

    def send(self) -> bytes | None:
        """The next batch, if there is one and none is on its way."""
        if self.batch is not None or not self._letters:
            return None
        letters = self._letters
        if len(letters) <= MAX_BATCH_LETTERS:
            batch = list(letters)
            letters.clear()
        else:
            batch = [letters.popleft() for _ in range(MAX_BATCH_LETTERS)]
        self.batch = batch
        return encode(Envelope(self._sender, self._epoch, self._first, batch))

    def count(self) -> list[Letter]:
        """The letters that have not arrived and were not counted before; they are counted now."""
        letters = self._letters
        if self.batch is None and not letters:
            return []
        new = len(self) - self._counted
        self._counted += new
        if new > len(letters):
            return self._left()[-new:]
        late = list(islice(reversed(letters), new))  # the last ones, however many wait before them
        late.reverse()
        return late

    def arrived(self) -> list[Letter]:
        """The batch is in the store, or with its receiver; returns those of its letters that were counted."""
        batch, self.batch = self.batch, None
        if batch is None:
            return []
        self._first += len(batch)
        self.silent = type(batch[-1]) is Sync
        counted = self._counted
        if not counted:
            return []
        self._counted = max(0, counted - len(batch))
        return batch[:counted]

    def failed(self) -> None:
        """It is not known whether the batch is in the store, or it is not: the same letters go again, same numbers."""
        if self.batch is not None:
            self._letters.extendleft(reversed(self.batch))
            self.batch = None

    def counted(self) -> list[Letter]:
        """The letters that were counted, and have not arrived as far as is known."""
        return self._left()[: self._counted]

    def _left(self) -> list[Letter]:
        return [*(self.batch or ()), *self._letters]


class Incoming:
    """Receives letters: the receiver's end of one link after the other of one sender."""

    __slots__ = ("_epoch", "_expected")

    def __init__(self) -> None:
        self._epoch: Epoch | None = None
        self._expected = 1

    def is_of(self, envelope: Envelope) -> bool:
        """Whether a batch comes from the process that wrote the last one."""
        return self._epoch is not None and self._epoch[0] == envelope.epoch[0]

    def is_early(self, envelope: Envelope) -> bool:
        """Whether letters before a batch have not come: they may be on a slower way."""
        if envelope.epoch == self._epoch:
            return envelope.number > self._expected
        known = self._epoch
        given_up = known is not None and known[0] == envelope.epoch[0] and envelope.epoch[1] < known[1]
        return envelope.number > 1 and not given_up

    def accept(self, envelope: Envelope) -> tuple[bool, list[Letter]]:
        """Take a batch.

        Returns:
            Whether letters before it were lost, and those of its letters that are new.
        """
        lost = False
        if envelope.epoch != self._epoch:
            known = self._epoch
            if known is not None and known[0] == envelope.epoch[0] and envelope.epoch[1] < known[1]:
                return False, []  # of a link that was given up: it was too long on its way
            lost = known is not None
            self._epoch = envelope.epoch
            self._expected = 1
        if envelope.number > self._expected:
            lost = True
        elif envelope.number < self._expected:
            new = envelope.letters[self._expected - envelope.number :]
            self._expected += len(new)
            return lost, new
        self._expected = envelope.number + len(envelope.letters)
        return lost, envelope.letters
