"""Letters of an instance that stops, and of those that heard of it: nothing is taken for lost."""

from typing import Any
from unittest.mock import Mock

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from signald.brokers.redis.letters import Left, Letter, Stops, Sync, decode
from signald.brokers.redis.links import Outgoing
from signald.brokers.redis.neighbours import Neighbours
from signald.brokers.redis.post import FAREWELLS_KEPT, Post
from signald.core.ids import RoomId

NOTHING: Any = None


def link(boot: str = "boot", number: int = 1) -> Outgoing:
    return Outgoing("a", (boot, number))


def take(post: Post, sender: Outgoing, *letters: Letter) -> tuple[bool, list[Letter]]:
    """Let a batch arrive."""
    for letter in letters:
        sender.add(letter)
    batch = sender.send()
    sender.arrived()
    assert batch is not None
    return post.accept(decode(batch))


def make(store: Any = None) -> Post:
    neighbours = Neighbours(folder="", service="", reactor=Clock(), read=NOTHING, is_early=NOTHING)
    return Post(store, neighbours, "me", lambda post: None, lambda late: None, lambda late: None, lambda instance: None)


def test_what_comes_after_goodbye_is_the_next_letter() -> None:
    """A rolling restart fills the log with letters that were lost, and none was; the operator looks for a fault."""
    post, sender = make(), link()
    left = Left(RoomId("r"))
    assert take(post, sender, Sync()) == (False, [Sync()])
    assert take(post, sender, Stops()) == (False, [Stops()])
    post.farewell("a")
    assert take(post, sender, Sync(), left) == (False, [Sync(), left])
    assert take(post, sender, left) == (False, [left])


def test_another_process_of_that_name_begins_anew() -> None:
    """After a restart the rooms of a new process end, as if its first letters had been lost."""
    post, sender = make(), link()
    take(post, sender, Stops())
    post.farewell("a")
    again = link("later")
    assert take(post, again, Sync()) == (False, [Sync()])
    assert take(post, again, Sync()) == (False, [Sync()])


def test_what_is_lost_around_it_is_noticed() -> None:
    """A partner waits for a message that nobody has any more."""
    post, sender = make(), link()
    take(post, sender, Stops())
    post.farewell("a")
    sender.add(Sync())
    sender.send()
    sender.arrived()
    assert take(post, sender, Sync()) == (True, [Sync()])
    post.unlink("a")  # its lease has run out
    assert take(post, sender, Sync()) == (True, [Sync()])


def test_those_who_stopped_are_forgotten() -> None:
    """Each restart under a new name takes memory for good."""
    post = make()
    for number in range(FAREWELLS_KEPT + 50):
        sender = Outgoing(f"i{number}", ("boot", 1))
        take(post, sender, Stops())
        post.farewell(f"i{number}")
    assert len(post._farewells) == FAREWELLS_KEPT


def test_an_answer_to_a_batch_that_was_sent_again() -> None:
    """Letters that nobody has are taken for delivered, if the connection is lost in that moment."""
    answers: list[Deferred[bool]] = []

    def append(instance: str, batch: bytes) -> "Deferred[bool]":
        answers.append(Deferred())
        return answers[-1]

    store = Mock(reachable=True, instance="me", append=append)
    post = make(store)
    post.send("other", Left(RoomId("1")))
    post.flush()
    post.send("other", Left(RoomId("2")))
    post.send_again()  # one of the two connections came back
    answers[0].callback(True)
    assert post, "the second letter is not known to be there"
    answers[1].callback(True)
    assert not post
