"""Hands letters that have come to the parts of the broker that they are for."""

from collections.abc import Callable
from typing import Any

from twisted.logger import Logger

from signald.brokers.redis.letters import Check, Claim, Envelope, Left, Letter, Relayed, Stops
from signald.brokers.redis.membership import Membership
from signald.brokers.redis.moderation import SharedModeration
from signald.brokers.redis.moving import Moving
from signald.brokers.redis.pairing import Pairing
from signald.brokers.redis.post import Post
from signald.brokers.redis.questions import SharedQuestions
from signald.brokers.redis.relaying import Relaying
from signald.core.ids import RoomId


class Delivery:
    """Reads what has come to one instance.

    Args:
        post: Knows what is new of it.
        membership: Hears who lives, and who stops.
        moderation: Reads letters of bans and blocks.
        questions: Reads questions and answers.
        moving: Reads letters of sessions that move.
        relaying: Reads what clients say to each other.
        pairing: Reads all else.
        clock: Tells the time.
        stopping: Whether this instance stops.
    """

    _log = Logger()

    def __init__(
        self,
        *,
        post: Post,
        membership: Membership,
        moderation: SharedModeration,
        questions: SharedQuestions,
        moving: Moving,
        relaying: Relaying,
        pairing: Pairing,
        clock: Any,
        stopping: Callable[[], bool],
    ) -> None:
        self._post = post
        self._membership = membership
        self._moderation = moderation
        self._questions = questions
        self._moving = moving
        self._relayed = relaying.relayed
        self._pairing = pairing
        self._clock = clock
        self._stopping = stopping
        self._over: set[RoomId] | None = None

    def read(self, envelopes: list[Envelope]) -> None:
        """Read batches, in the order in which they have come."""
        self._over = None
        for envelope in envelopes:
            try:
                self._read(envelope, envelopes)
            except Exception:
                self._log.failure("letters of instance {instance}", instance=envelope.sender)

    def _read(self, envelope: Envelope, come: list[Envelope]) -> None:
        sender = envelope.sender
        self._membership.peers.heard(sender, envelope.epoch[0])
        lost, letters = self._post.accept(envelope)
        if lost and not self._stopping():  # who has heard of the end begins anew with whoever comes under this name
            self._log.warn("letters from instance {instance} were lost: its rooms end", instance=sender)
            self._pairing.lost(sender, self._clock.seconds())
        relayed = self._relayed
        for letter in letters:
            if type(letter) is Relayed:  # as nearly all are
                relayed(sender, letter)
            elif type(letter) is not Claim or not self._is_over(letter.room, come):
                self._read_other(sender, letter)

    def _is_over(self, room: RoomId, come: list[Envelope]) -> bool:
        """A claim that was given up while it was on its way must not look like a match, not for a moment."""
        if self._over is None:
            self._over = {letter.room for envelope in come for letter in envelope.letters if type(letter) is Left}
        return room in self._over

    def _read_other(self, sender: str, letter: Letter) -> None:
        if type(letter) in self._moderation.letters:
            self._moderation.read(sender, letter)
        elif type(letter) in self._questions.letters:
            self._questions.read(sender, letter)
        elif type(letter) in self._moving.letters:
            self._moving.read(sender, letter)
        else:
            self._pairing.read(sender, letter, self._clock.seconds())
        if type(letter) is Check:
            self._moving.partners.checked(sender, letter)
        elif type(letter) is Stops:
            self._membership.farewell(sender)
